//! The grammar is sound, every command explains itself, and every example in a help text is valid.

use clap::CommandFactory;

use super::*;

fn each(command: &clap::Command, path: &str, visit: &mut dyn FnMut(&str, &clap::Command)) {
    visit(path, command);
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        each(inner, &format!("{path} {}", inner.get_name()), visit);
    }
}

fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    help.lines()
        .filter_map(|line| line.strip_prefix("  signet"))
        .map(|line| format!("signet{line}"))
        .collect()
}

/// Splits as a shell would, as far as the examples need it: blanks separate, single quotes hold together.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    quoted
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(words(line))
}

#[test]
fn the_grammar_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_one_line_of_help_and_an_example_that_works() {
    let mut seen = 0;
    each(&Cli::command(), "signet", &mut |path, command| {
        seen += 1;
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.contains('\n'), "{path}: {about:?}");
        let examples = examples(command);
        assert!(!examples.is_empty(), "{path} has no example");
        for example in examples {
            assert!(example.starts_with(path), "{path}: {example}");
            if let Err(error) = parse(&example) {
                panic!("{example}: {error}");
            }
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let explained =
                argument.get_help().is_some() || ["help", "version"].contains(&argument.get_id().as_str());
            assert!(explained, "{path} {}", argument.get_id());
        }
    });
    assert_eq!(seen, 57, "commands and groups");
}

/// What the contract and the documents say.
const LINES: &[&str] = &[
    "signet dev",
    "signet dev --port 8080 --admin-port 9000 --dir data/dev",
    "signet dev --database postgres://u@h/d",
    "signet serve --config config/signet.toml",
    "signet init",
    "signet config check",
    "signet migrate",
    "signet migrate --dry-run",
    "signet restore-epoch",
    "signet restore-epoch --yes",
    "signet client create --name A --id a --public --redirect-uri http://127.0.0.1/callback --redirect-uri https://b \
         --scope openid --grant-type authorization_code --grant-type refresh_token --origin https://b --audience https://api \
         --first-party --metadata client.json",
    "signet client create --name Api --introspect",
    "signet client list",
    "signet client show a",
    "signet client update a --introspect false --first-party true --name B",
    "signet client disable a",
    "signet client enable a",
    "signet client delete a",
    "signet client rotate-secret a",
    "signet client lint a",
    "signet client lint --all --profile oauth21",
    "signet client update a --set require_pkce=null --set backchannel_logout_uri=https://b/out",
    "signet api create https://api --name A --scope a --scope b --format opaque --lifetime 60 --dynamic true",
    "signet api create https://api --alg ES256 --metadata api.json",
    "signet api list",
    "signet api show https://api",
    "signet api update https://api --format jwt",
    "signet api delete https://api",
    "signet user create --username u --email u@h --name U --role a --role b --password-stdin",
    "signet user list",
    "signet user show u",
    "signet user update u --no-roles",
    "signet user disable u",
    "signet user enable u",
    "signet user set-password u",
    "signet user sessions u",
    "signet user sessions u --history",
    "signet user logout-all u",
    "signet session end s",
    "signet logout report",
    "signet logout report --user u --session s --client c --limit 5 --after x",
    "signet keys list",
    "signet keys rotate",
    "signet keys rotate --emergency",
    "signet keys rotate --algorithm ES256",
    "signet keys remove k",
    "signet api-key create --name n",
    "signet api-key list",
    "signet api-key delete i",
    "signet audit list",
    "signet token --client c",
    "signet token --client c --secret s --resource https://api",
    "signet login",
    "signet login --user u --password p --headless",
    "signet snippet",
    "signet snippet express",
    "signet doctor",
    "signet healthcheck",
];

#[test]
fn the_lines_of_the_contract_are_understood() {
    for line in LINES {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
        if line.contains("--dir") || line.contains("--config") {
            continue;
        }
        let json = parse(&format!("{line} --json --dir d --config c")).expect(line);
        assert!(json.global.json, "{line}");
        assert_eq!(json.global.dir, Some(PathBuf::from("d")));
        assert_eq!(json.global.config, Some(PathBuf::from("c")));
    }
}

#[test]
fn nonsense_is_a_usage_error() {
    for line in [
        "signet nonsense",
        "signet client",
        "signet client show",
        "signet client lint",
        "signet client lint a --all",
        "signet client lint a --profile fapi",
        "signet client update a --set x",
        "signet user create --username u --password p",
        "signet user update u --role a --no-roles",
        "signet keys rotate --algorithm HS256",
        "signet keys rotate --algorithm ES256 --kid k",
        "signet client create --public --introspect",
        "signet token --client c --secret s --secret-stdin",
        "signet api-key create --name n --expires-days 0",
        "signet dev --port 65536",
    ] {
        assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
    }
    assert_eq!(parse("signet client --help").expect_err("help").exit_code(), 0);
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    for (exit, code) in [(Exit::Done, 0), (Exit::Failed, 1), (Exit::Usage, 2)] {
        assert_eq!(format!("{:?}", ExitCode::from(exit)), format!("{:?}", ExitCode::from(code)));
    }
}

#[test]
fn typed_secrets_do_not_show() {
    for line in [
        "signet dev --database postgres://u:canary@h/d",
        "signet init --database postgres://u:canary@h/d",
        "signet token --client c --secret canary",
        "signet login --password canary",
    ] {
        let cli = parse(line).expect(line);
        assert!(!format!("{cli:?}").contains("canary"), "{line}");
    }
}
