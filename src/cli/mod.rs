//! The command line: what an operator types, and what each command prints.

pub mod args;
mod context;
pub mod demo_data;
mod dev;
mod healthcheck;
mod http_client;
mod init;
mod logging;
mod migrate;
mod output;
mod serve;
mod welcome;

use args::{Cli, Command, ConfigCommand, Exit};
use output::{Failure, Outcome};

/// Does what was asked and says how the program ends.
pub fn run(cli: Cli) -> Exit {
    let json = cli.global.json;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(cli)),
        Err(error) => Err(Failure::new(format!("no threads: {error}"))),
    };
    match outcome {
        Ok(report) => report.print(json),
        Err(failure) => failure.print(),
    }
}

async fn dispatch(cli: Cli) -> Outcome {
    let Cli { global, command } = cli;
    match &command {
        Command::Dev(args) => dev::run(args, &global).await,
        Command::Serve => serve::run(&global).await,
        Command::Init(args) => init::write_config(args),
        Command::Config(ConfigCommand::Check) => init::check_config(&global),
        Command::Migrate(args) => migrate::run(args, &global).await,
        Command::Healthcheck(args) => healthcheck::run(args, &global).await,
        _ => Err(Failure::new("not built yet")),
    }
}
