//! The command line: what an operator types, and what each command prints.

mod api;
pub mod args;
mod ask;
mod authority;
mod browser;
mod claims;
mod client;
mod client_lint;
mod context;
pub mod demo_data;
mod dev;
mod device;
mod doctor;
mod form;
mod healthcheck;
mod history;
mod http_client;
mod init;
mod keys;
mod logging;
mod login;
mod logout;
mod migrate;
mod output;
mod reach;
mod registration;
mod restore;
mod serve;
mod session;
mod snippet;
mod token;
mod user;
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
        Command::RestoreEpoch(args) => restore::run(args, &global).await,
        Command::Client(command) => client::run(command, &global).await,
        Command::Api(command) => api::run(command, &global).await,
        Command::User(command) => user::run(command, &global).await,
        Command::Session(command) => session::run(command, &global).await,
        Command::Logout(command) => logout::run(command, &global).await,
        Command::Keys(command) => keys::run(command, &global).await,
        Command::ApiKey(command) => keys::run_api(command, &global).await,
        Command::InitialAccessToken(command) => registration::run(command, &global).await,
        Command::Audit(command) => session::run_audit(command, &global).await,
        Command::Token(args) => token::run(args, &global).await,
        Command::Login(args) => login::run(args, &global).await,
        Command::Snippet(args) => snippet::run(args, &global),
        Command::Doctor => doctor::run(&global).await,
    }
}
