//! The paths and their ceilings, measured in turn: a round of the ceiling, a round of the path, and again, so that what
//! else the machine does meets both.

use std::time::Duration;

use crate::child::{BareServer, Server};
use crate::client::{API, Exchange, Fixed, Login, Refresh, Site, member};
use crate::cpu;
use crate::failure::{Result, failure};
use crate::http::{Connection, FORM, request};
use crate::load::{Load, Measure, Worker};
use crate::report::{Flood, Part, Report, Row};
use crate::statement::{self, Client, Statement, Target};

/// How much to measure.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// Connections.
    pub(crate) clients: usize,
    /// Measured time of one round.
    pub(crate) span: Duration,
    /// Rounds of each path and ceiling.
    pub(crate) rounds: usize,
    /// Threads for signing: the machine's cores.
    pub(crate) cores: usize,
    /// Threads that hash passwords, as the server has them.
    pub(crate) hash_threads: usize,
    /// argon2id memory in KiB and passes, as the server has them.
    pub(crate) argon2: (u32, u32),
}

/// Something to divide a path's rate by.
enum Ceiling {
    Statement(&'static str, Load<Client>),
    Http(Load<Fixed>),
    Es256,
    Rs256,
    Argon2,
}

/// A run against one server and its database.
pub(crate) struct Suite {
    pub(crate) extent: Extent,
    pub(crate) target: Target,
    pub(crate) bare: BareServer,
    pub(crate) report: Report,
}

impl Suite {
    /// Every ceiling alone, for a machine without Signet.
    pub(crate) async fn ceilings(&mut self) -> Result<()> {
        let extent = self.extent;
        let http = request("GET /600", "localhost", &[], None);
        let mut all = vec![
            self.statement(Statement::Select).await?,
            self.statement(Statement::Update).await?,
            self.statement(Statement::UpdateInsert).await?,
            Ceiling::Http(Load::new(Fixed::many(extent.clients, self.bare.address, &http, ""))),
            Ceiling::Es256,
            Ceiling::Rs256,
            Ceiling::Argon2,
        ];
        for ceiling in &mut all {
            let mut sum = Measure::new();
            for _ in 0..extent.rounds {
                sum.add(ceiling.run(extent).await?);
            }
            self.report.add_ceiling(Part::of(ceiling.name(), &sum));
        }
        Ok(())
    }

    /// Every path of a running server. A path that fails is reported and does not stop the others.
    pub(crate) async fn paths(&mut self, server: &Server, only: &[String]) -> Result<()> {
        let site = Site { address: server.address, authority: server.authority.clone() };
        let names = [
            "jwks",
            "discovery",
            "client_credentials",
            "refresh",
            "refresh_id_token",
            "code_exchange",
            "introspection",
            "userinfo",
            "login",
            "flood",
        ];
        for name in
            names.into_iter().filter(|name| only.is_empty() || only.iter().any(|wanted| wanted == name))
        {
            eprintln!("… {name}");
            let outcome = match name {
                "jwks" => self.document(&site, name, "/.well-known/jwks.json").await,
                "discovery" => self.document(&site, name, "/.well-known/openid-configuration").await,
                "client_credentials" => self.client_credentials(&site).await,
                "refresh" => self.refresh(&site, name, "read offline_access", Some(1.2)).await,
                "refresh_id_token" => self.refresh(&site, name, "openid offline_access", None).await,
                "code_exchange" => self.code_exchange(&site).await,
                "introspection" => self.introspection(&site).await,
                "userinfo" => self.userinfo(&site).await,
                "login" => self.login(&site).await,
                _ => self.flood(&site).await,
            };
            if let Err(error) = outcome {
                self.report.add_failure(name, &error);
            }
            self.report.add_usage(name, server.usage().await?);
        }
        Ok(())
    }

    async fn document(&mut self, site: &Site, name: &str, path: &str) -> Result<()> {
        let get = site.get(path, &[]);
        let size = body_size(site, &get).await?;
        let ceiling = self.http(&request(&format!("GET /{size}"), "localhost", &[], None));
        let load = Load::new(Fixed::many(self.extent.clients, site.address, &get, ""));
        self.pair(name, vec![ceiling], load, Some(0.9)).await
    }

    async fn client_credentials(&mut self, site: &Site) -> Result<()> {
        let post = site.client_credentials();
        let size = body_size(site, &post).await?;
        let body = "grant_type=client_credentials&scope=read";
        let ceiling = self.http(&request(&format!("POST /{size}"), "localhost", &[], Some((FORM, body))));
        let load = Load::new(Fixed::many(self.extent.clients, site.address, &post, "access_token"));
        self.pair("client_credentials", vec![ceiling, Ceiling::Es256], load, Some(0.6)).await
    }

    async fn refresh(&mut self, site: &Site, name: &str, scope: &str, target: Option<f64>) -> Result<()> {
        let responses = site.sign_in(scope, self.extent.clients).await?;
        let load = Load::new(Refresh::many(site, &responses)?);
        let mut ceilings = vec![self.statement(Statement::Update).await?];
        if name == "refresh_id_token" {
            ceilings.push(Ceiling::Rs256);
        }
        self.pair(name, ceilings, load, target).await
    }

    async fn code_exchange(&mut self, site: &Site) -> Result<()> {
        let ceilings = vec![self.statement(Statement::UpdateInsert).await?, Ceiling::Es256, Ceiling::Rs256];
        let load = Load::new(Exchange::many(self.extent.clients, site));
        self.pair("code_exchange", ceilings, load, Some(0.5)).await
    }

    async fn introspection(&mut self, site: &Site) -> Result<()> {
        let token = access_token(site).await?;
        let post = site.post("/introspect", API, &[("token", &token)]);
        let load = Load::new(Fixed::many(self.extent.clients, site.address, &post, "\"active\":true"));
        let ceiling = self.statement(Statement::Select).await?;
        self.pair("introspection", vec![ceiling], load, Some(0.6)).await
    }

    async fn userinfo(&mut self, site: &Site) -> Result<()> {
        let token = access_token(site).await?;
        let get = site.get("/userinfo", &[format!("authorization: Bearer {token}")]);
        let load = Load::new(Fixed::many(self.extent.clients, site.address, &get, "\"sub\""));
        let ceiling = self.statement(Statement::Select).await?;
        self.pair("userinfo", vec![ceiling], load, Some(0.6)).await
    }

    async fn login(&mut self, site: &Site) -> Result<()> {
        // Enough to keep the hashing threads busy, too few to fill their queue.
        let load = Load::new(Login::many(self.extent.hash_threads * 4, site));
        self.pair("login", vec![Ceiling::Argon2], load, Some(0.9)).await
    }

    /// JWKS and `/token` beside 64 browsers that sign in without pause, against the same without them.
    async fn flood(&mut self, site: &Site) -> Result<()> {
        let span = self.extent.span * u32::try_from(self.extent.rounds).unwrap_or(1);
        let calls = [("jwks", site.get("/.well-known/jwks.json", &[])), ("token", site.client_credentials())];
        for (name, call) in calls {
            let paced = Fixed::many(4, site.address, &call, "");
            let paced = paced.into_iter().map(|worker| worker.paced(Duration::from_millis(5))).collect();
            let mut probe = Load::new(paced);
            let idle = probe.run(span).await?;
            let mut flood = Load::new(Login::many(64, site));
            let flooded = tokio::select! {
                measure = probe.run(span) => measure?,
                ended = flood.run(span * 10 + Duration::from_secs(60)) => {
                    let why = ended.map(|measure| measure.first_failure);
                    return Err(failure(format!("the flood ended early: {why:?}")));
                }
            };
            self.report.add_flood(Flood {
                name,
                idle: Part::of(name, &idle),
                flooded: Part::of(name, &flooded),
            });
        }
        Ok(())
    }

    async fn pair<W: Worker>(
        &mut self,
        name: &str,
        mut ceilings: Vec<Ceiling>,
        mut load: Load<W>,
        target: Option<f64>,
    ) -> Result<()> {
        let mut sums: Vec<Measure> = ceilings.iter().map(|_| Measure::new()).collect();
        let mut path = Measure::new();
        for _ in 0..self.extent.rounds {
            for (ceiling, sum) in ceilings.iter_mut().zip(&mut sums) {
                sum.add(ceiling.run(self.extent).await?);
            }
            path.add(load.run(self.extent.span).await?);
        }
        let parts = ceilings.iter().zip(&sums).map(|(ceiling, sum)| Part::of(ceiling.name(), sum)).collect();
        self.report.add_row(Row { path: Part::of(name, &path), ceilings: parts, target });
        Ok(())
    }

    async fn statement(&self, statement: Statement) -> Result<Ceiling> {
        let name = match statement {
            Statement::Select => "SELECT",
            Statement::Update => "UPDATE",
            Statement::UpdateInsert => "UPDATE+INSERT",
        };
        let workers = statement::workers(&self.target, statement, self.extent.clients).await?;
        Ok(Ceiling::Statement(name, Load::new(workers)))
    }

    fn http(&self, request: &[u8]) -> Ceiling {
        Ceiling::Http(Load::new(Fixed::many(self.extent.clients, self.bare.address, request, "")))
    }
}

impl Ceiling {
    const fn name(&self) -> &'static str {
        match self {
            Self::Statement(name, _) => name,
            Self::Http(_) => "HTTP",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Argon2 => "argon2id",
        }
    }

    async fn run(&mut self, extent: Extent) -> Result<Measure> {
        match self {
            Self::Statement(_, load) => load.run(extent.span).await,
            Self::Http(load) => load.run(extent.span).await,
            Self::Es256 => cpu::es256(extent.cores, extent.span).await,
            Self::Rs256 => cpu::rs256(extent.cores, extent.span).await,
            Self::Argon2 => {
                let (memory, passes) = extent.argon2;
                cpu::argon2id(extent.hash_threads, memory, passes, extent.span).await
            }
        }
    }
}

async fn body_size(site: &Site, request: &[u8]) -> Result<usize> {
    let mut connection = Connection::new(site.address);
    let reply = connection.send(request).await?;
    if reply.status == 200 { Ok(reply.body.len()) } else { Err(reply.unexpected("first call")) }
}

async fn access_token(site: &Site) -> Result<String> {
    let responses = site.sign_in("openid profile email", 1).await?;
    let token = responses.first().and_then(|response| member(response, "access_token"));
    token.map(str::to_owned).ok_or_else(|| failure("no access_token"))
}
