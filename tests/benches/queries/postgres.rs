//! PostgreSQL beside the broker: a server of its own in a folder of its own, over a unix socket and without TLS, which is to its
//! advantage, with the tables and indexes that its users would make for these questions.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    pin::pin,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use tokio_postgres::{
    Client, NoTls,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use crate::rows::Row;

/// Where programs of version 15 are looked for.
const FOLDERS: [&str; 3] = ["/usr/lib/postgresql/15/bin", "/usr/local/bin", "/usr/bin"];
/// An account that a server may run as if this process is the superuser's, which it refuses.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];
const MISSING: &str = "PostgreSQL 15 is not here: install it (Debian: apt-get install postgresql-15) so that initdb and postgres are in \
                       /usr/lib/postgresql/15/bin; the bench goes on without it";

/// For a machine that has its memory for this.
const SETTINGS: [&str; 15] = [
    "listen_addresses=",
    "shared_buffers=2GB",
    "effective_cache_size=8GB",
    "work_mem=64MB",
    "maintenance_work_mem=1GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=30min",
    "synchronous_commit=off",
    "autovacuum=off",
    "jit=off",
    "random_page_cost=1.1",
    "max_connections=20",
    "log_min_messages=warning",
    "wal_level=minimal",
    "max_wal_senders=0",
];

const TABLES: &str = "
    create table cases (position int8, name text, everybody bool, audience int2[], status int2, standing int2, origin text,
        year int2, month int4, classes int2, words tsvector, report bytea);
    create table goods (position int8, class int2, mass int8, everybody bool, audience int2[], status int2, standing int2,
        origin text, year int2, month int4);
    create table digests (digest bytea, position int8);
    create table identifiers (number text, position int8);
    alter table cases alter column report set storage external;";

/// One for each question that is measured, with all its columns, so that it need not look at the table.
const INDEXES: &str = "
    alter table cases add primary key (position);
    create index on digests (digest) include (position);
    create index on identifiers (number) include (position);
    create index on cases (origin, year, position desc) include (classes, everybody, audience);
    create index on cases (origin, year, standing) include (everybody, audience);
    create index on cases (standing) include (everybody, audience);
    create index on goods (class, status, origin, year, standing) include (mass, everybody, audience);
    create index on goods (origin, year, standing, class) include (mass, everybody, audience);
    create index on goods (class, month) include (standing, mass, everybody, audience);
    create index on cases using gin (words);";

/// A running server.
pub struct Postgres {
    child: Child,
    /// Goes with it.
    _folder: TempDir,
    pub client: Client,
}

impl Postgres {
    /// Starts one; `None`, after saying why, if there is no such program.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        let (Some(initdb), Some(postgres)) = (program("initdb"), program("postgres")) else {
            println!("{MISSING}\n");
            return Ok(None);
        };
        let version = Command::new(&postgres).arg("--version").output()?.stdout;
        let version = String::from_utf8_lossy(&version).into_owned();
        if !version.contains(" 15.") {
            println!("{} is{version}. {MISSING}\n", postgres.display());
            return Ok(None);
        }
        let account = account()?;
        let folder = tempfile::Builder::new().prefix("bench-pg-").tempdir()?;
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let as_account = |program: &Path| {
            let mut command = Command::new(program);
            if let Some((user, group)) = account {
                command.uid(user).gid(group);
            }
            command
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            command
        };
        let data = folder.path().join("data");
        let made = as_account(&initdb)
            .args(["--username=bench", "--auth=trust", "--no-sync"])
            .args(["--locale=C.UTF-8", "--encoding=UTF8"])
            .arg(&data)
            .stderr(Stdio::piped())
            .output()?;
        let said = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "initdb: {said}");
        let mut server = as_account(&postgres);
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in SETTINGS {
            server.args(["-c", setting]);
        }
        let log = fs::File::create(folder.path().join("log"))?;
        let child = server.stderr(log).spawn()?;
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(folder.path())
            .user("bench")
            .dbname("postgres");
        let mut tries = 0;
        let (client, connection) = loop {
            match config.connect(NoTls).await {
                Ok(connected) => break connected,
                Err(error) if tries == 400 => bail!("PostgreSQL does not answer: {error}"),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::spawn(connection);
        client.batch_execute(TABLES).await.context("tables")?;
        println!(
            "beside {}, over a unix socket, without TLS",
            version.trim_end()
        );
        Ok(Some(Self {
            child,
            _folder: folder,
            client,
        }))
    }

    /// Takes cases in.
    pub async fn load(&self, rows: &[Row]) -> anyhow::Result<()> {
        let staged = "create temp table if not exists staged (position int8, name text, everybody bool, audience int2[], \
                      status int2, standing int2, origin text, year int2, month int4, classes int2, words text, report bytea)";
        self.client.batch_execute(staged).await?;
        let types = [
            Type::INT8,
            Type::TEXT,
            Type::BOOL,
            Type::INT2_ARRAY,
            Type::INT2,
            Type::INT2,
            Type::TEXT,
            Type::INT2,
            Type::INT4,
            Type::INT2,
            Type::TEXT,
            Type::BYTEA,
        ];
        let values = |row| {
            let Row {
                position,
                name,
                everybody,
                audience,
                status,
                standing,
                origin,
                year,
                month,
                classes,
                words,
                report,
                ..
            }: &Row = row;
            let values: [&(dyn ToSql + Sync); 12] = [
                position, name, everybody, audience, status, standing, origin, year, month,
                classes, words, report,
            ];
            values
        };
        self.copy("staged", &types, rows.iter().map(values)).await?;
        self.client
            .batch_execute(
                "insert into cases select position, name, everybody, audience, status, standing, origin, year, month, classes, \
                 to_tsvector('simple', words), report from staged; truncate staged",
            )
            .await?;
        let types = [
            Type::INT8,
            Type::INT2,
            Type::INT8,
            Type::BOOL,
            Type::INT2_ARRAY,
            Type::INT2,
            Type::INT2,
            Type::TEXT,
            Type::INT2,
            Type::INT4,
        ];
        let goods = rows.iter().flat_map(|row| {
            row.goods.iter().map(move |(class, mass)| {
                let values: [&(dyn ToSql + Sync); 10] = [
                    &row.position,
                    class,
                    mass,
                    &row.everybody,
                    &row.audience,
                    &row.status,
                    &row.standing,
                    &row.origin,
                    &row.year,
                    &row.month,
                ];
                values
            })
        });
        self.copy("goods", &types, goods).await?;
        let digests = rows.iter().flat_map(|row| {
            row.digests
                .iter()
                .map(|digest| -> [&(dyn ToSql + Sync); 2] { [digest, &row.position] })
        });
        self.copy("digests", &[Type::BYTEA, Type::INT8], digests)
            .await?;
        let identifiers = rows.iter().flat_map(|row| {
            row.identifiers
                .iter()
                .map(|number| -> [&(dyn ToSql + Sync); 2] { [number, &row.position] })
        });
        self.copy("identifiers", &[Type::TEXT, Type::INT8], identifiers)
            .await
    }

    async fn copy<'a, const N: usize>(
        &self,
        table: &str,
        types: &[Type; N],
        rows: impl Iterator<Item = [&'a (dyn ToSql + Sync); N]>,
    ) -> anyhow::Result<()> {
        let sink = self
            .client
            .copy_in(&format!("copy {table} from stdin (format binary)"))
            .await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, types));
        for row in rows {
            writer.as_mut().write(&row).await?;
        }
        writer.finish().await?;
        Ok(())
    }

    /// Makes the indexes, and gathers what the planner must know.
    pub async fn index(&self) -> anyhow::Result<()> {
        for statement in INDEXES.split_inclusive(';') {
            self.client
                .batch_execute(statement)
                .await
                .context(statement.trim())?;
        }
        for table in ["cases", "goods", "digests", "identifiers"] {
            self.client
                .batch_execute(&format!("vacuum (analyze, freeze) {table}"))
                .await?;
        }
        Ok(self.client.batch_execute("checkpoint").await?)
    }

    /// Bytes of all tables with their indexes.
    pub async fn bytes(&self) -> anyhow::Result<i64> {
        let size = "select pg_database_size(current_database())";
        Ok(self.client.query_one(size, &[]).await?.get(0))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate stop, which ends its children too. Nobody is left to tell if it fails.
        let pid = self.child.id().to_string();
        let _ = Command::new("sh")
            .args(["-c", "kill -QUIT \"$0\"", &pid])
            .status();
        let _ = self.child.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let places = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
    places.into_iter().find(|path| path.exists())
}

/// User and group to run as; `None` for those of this process.
fn account() -> anyhow::Result<Option<(u32, u32)>> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id")
            .args(arguments.iter().map(OsStr::new))
            .output()
            .ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]).context("who runs this is not known: `id -u` fails")? != 0 {
        return Ok(None);
    }
    let found = ACCOUNTS
        .iter()
        .find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)));
    found.map(Some).context(
        "PostgreSQL refuses to run as the superuser: run the bench as somebody else, or make an account `postgres`",
    )
}
