//! The paths and their ceilings, measured in turn: a round of the ceiling, a round of the path, and again, so that what
//! else the machine does meets both.

use std::time::Duration;

use crate::child::{BareServer, Server, processor_time};
use crate::client::{API, Exchange, Fixed, Login, Refresh, SignIn, Site, WEB, member};
use crate::cpu;
use crate::failure::{Result, failure};
use crate::http::{Connection, FORM, request};
use crate::load::{Load, Measure, Worker};
use crate::report::{Flood, Part, Report, Row};
use crate::seed::Families;
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
    /// Families that the refreshes go round.
    pub(crate) families: u64,
}

/// Something to divide a path's rate by.
enum Ceiling {
    Statement(&'static str, Load<Client>),
    Http(Load<Fixed>),
    Es256,
    Es256Verify,
    Rs256,
    Argon2,
}

/// A run against one server and its database.
pub(crate) struct Suite {
    pub(crate) extent: Extent,
    pub(crate) target: Target,
    pub(crate) bare: BareServer,
    pub(crate) report: Report,
    /// The server's process, once there is one.
    pub(crate) process: Option<u32>,
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
            Ceiling::Es256Verify,
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
            "refresh_no_rotation",
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
                "refresh" => self.refresh(&site, server).await,
                "refresh_no_rotation" => self.refresh_no_rotation(&site).await,
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

    /// Rotating refresh tokens over many families, as many clients use them; no ID token, so no RSA signature.
    async fn refresh(&mut self, site: &Site, server: &Server) -> Result<()> {
        let mut families = Families::new(site, server).await?;
        families.grow(self.extent.families).await?;
        let load = Load::new(families.workers(site, self.extent.clients));
        let ceiling = self.statement(Statement::Update).await?;
        self.pair("refresh", vec![ceiling], load, Some(1.2)).await
    }

    /// A confidential client's refresh: its token stays, so that the database is only read.
    async fn refresh_no_rotation(&mut self, site: &Site) -> Result<()> {
        let responses = site.sign_in(WEB, "read offline_access", self.extent.clients).await?;
        let load = Load::new(Refresh::many(site, &responses)?);
        let ceilings = vec![self.statement(Statement::Select).await?, Ceiling::Es256];
        self.pair("refresh_no_rotation", ceilings, load, None).await
    }

    /// Refreshes among ten thousand families, then among `many`, and what many refreshes leave behind.
    pub(crate) async fn growth(&mut self, server: &Server, many: u64) -> Result<()> {
        const FEW: u64 = 10_000;
        let site = Site { address: server.address, authority: server.authority.clone() };
        let mut families = Families::new(&site, server).await?;
        let span = self.extent.span * u32::try_from(self.extent.rounds).unwrap_or(1);
        families.grow(FEW).await?;
        self.report.add_usage(&format!("{FEW} families"), server.usage().await?);
        let mut load = Load::new(families.workers(&site, self.extent.clients));
        let few = load.run(span).await?;
        self.report.add_usage("refreshes among few", server.usage().await?);
        families.grow(many).await?;
        self.report.add_usage(&format!("{many} families"), server.usage().await?);
        let mut load = Load::new(
            families.workers(&site, self.extent.clients).into_iter().map(|w| w.from(FEW)).collect(),
        );
        let among_many = load.run(span).await?;
        self.report.add_usage("refreshes among many", server.usage().await?);
        self.report.add_growth(Part::of("few", &few), Part::of("many", &among_many), (FEW, many));
        let mut refreshes = among_many.latency.count();
        while refreshes < 1_000_000 && among_many.failures == 0 {
            let more = load.run(span).await?;
            if let Some(failed) = more.first_failure {
                return Err(failed);
            }
            refreshes += more.latency.count();
        }
        self.report.add_usage(&format!("{refreshes} refreshes"), server.usage().await?);
        Ok(())
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
        let ceilings = self.lookup_ceilings(body_size(site, &post).await?).await?;
        self.pair("introspection", ceilings, load, Some(0.6)).await
    }

    async fn userinfo(&mut self, site: &Site) -> Result<()> {
        let token = access_token(site).await?;
        let get = site.get("/userinfo", &[format!("authorization: Bearer {token}")]);
        let load = Load::new(Fixed::many(self.extent.clients, site.address, &get, "\"sub\""));
        let ceilings = self.lookup_ceilings(body_size(site, &get).await?).await?;
        self.pair("userinfo", ceilings, load, Some(0.6)).await
    }

    /// A token that comes back costs a request, a verification and a row. The row alone is no ceiling where reading
    /// one in the same process is quicker than any HTTP.
    async fn lookup_ceilings(&self, size: usize) -> Result<Vec<Ceiling>> {
        let post = request(&format!("POST /{size}"), "localhost", &[], Some((FORM, "token=x")));
        Ok(vec![self.http(&post), Ceiling::Es256Verify, self.statement(Statement::Select).await?])
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
            let mut flood = Load::new(SignIn::many(64, site));
            let flooded = async {
                // All 64 ask for their first form at once; afterwards the hashing sets the pace.
                tokio::time::sleep(Duration::from_secs(1)).await;
                probe.run(span).await
            };
            let flooded = tokio::select! {
                measure = flooded => measure?,
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
        let (mut path, mut used) = (Measure::new(), Duration::ZERO);
        for _ in 0..self.extent.rounds {
            for (ceiling, sum) in ceilings.iter_mut().zip(&mut sums) {
                sum.add(ceiling.run(self.extent).await?);
            }
            let before = self.processor_time();
            path.add(load.run(self.extent.span).await?);
            used += self.processor_time().saturating_sub(before);
        }
        let parts = ceilings.iter().zip(&sums).map(|(ceiling, sum)| Part::of(ceiling.name(), sum)).collect();
        let calls = path.latency.count().max(1) as f64;
        let cpu_micros = self.process.map(|_| used.as_secs_f64() * 1e6 / calls);
        self.report.add_row(Row { path: Part::of(name, &path), ceilings: parts, target, cpu_micros });
        Ok(())
    }

    fn processor_time(&self) -> Duration {
        self.process.and_then(processor_time).unwrap_or_default()
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
            Self::Es256Verify => "ES256 verify",
            Self::Rs256 => "RS256",
            Self::Argon2 => "argon2id",
        }
    }

    async fn run(&mut self, extent: Extent) -> Result<Measure> {
        match self {
            Self::Statement(_, load) => load.run(extent.span).await,
            Self::Http(load) => load.run(extent.span).await,
            Self::Es256 => cpu::es256(extent.cores, extent.span).await,
            Self::Es256Verify => cpu::es256_verify(extent.cores, extent.span).await,
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
    let responses = site.sign_in(WEB, "openid profile email", 1).await?;
    let token = responses.first().and_then(|response| member(response, "access_token"));
    token.map(str::to_owned).ok_or_else(|| failure("no access_token"))
}
