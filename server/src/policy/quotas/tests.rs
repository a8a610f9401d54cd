use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use casebroker_proto::names::PrincipalId;

use super::*;

struct Scene {
    quotas: Quotas,
    now: Arc<AtomicU64>,
}

impl Scene {
    /// Nobody waits, so nothing in here sleeps.
    fn new(change: impl FnOnce(&mut config::Quotas)) -> Self {
        let mut config = config::Quotas {
            wait_ms: 0,
            burst_ms: 1_000,
            ..Default::default()
        };
        change(&mut config);
        let now = Arc::new(AtomicU64::new(0));
        let shown = Arc::clone(&now);
        let time = Time::shown_by(move || Duration::from_millis(shown.load(Ordering::Relaxed)));
        Self {
            quotas: Quotas::new(&config, time),
            now,
        }
    }

    fn of(&self, agency: &str, role: &str, name: &str) -> Accounts {
        self.quotas.accounts(&caller(agency, role, name)).unwrap()
    }

    fn later(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }
}

fn caller(agency: &str, role: &str, name: &str) -> CallerDetails {
    let text = format!("spiffe://casebroker.example/agency/{agency}/{role}/{name}");
    CallerDetails {
        principal: text.parse::<PrincipalId>().unwrap(),
        principal_text: text,
        serial: String::new(),
        tls: String::new(),
        tls_group: "",
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
    }
}

async fn request(accounts: &Accounts) -> Result<(), &'static str> {
    let taken = accounts.take(Meter::Requests, 1, Patience::Short).await;
    taken.map_err(|over| over.quota)
}

#[tokio::test]
async fn however_many_principals_share_the_agencys_limit() {
    let scene = Scene::new(|config| config.agency.requests_per_s = 100);
    let mut served = 0;
    for n in 0..1_000 {
        match request(&scene.of("us-cbp", "officer", &format!("p{n}"))).await {
            Ok(()) => served += 1,
            Err(quota) => assert_eq!(quota, "agency.requests"),
        }
    }
    assert_eq!(served, 100);
    // Another agency has its own.
    assert_eq!(request(&scene.of("us-dea", "officer", "a")).await, Ok(()));
    scene.later(100);
    let mut served = 0;
    for n in 0..100 {
        let principal = scene.of("us-cbp", "officer", &format!("q{n}"));
        served += u32::from(request(&principal).await.is_ok());
    }
    assert_eq!(served, 10, "a tenth of a second's worth");
}

#[tokio::test]
async fn one_principal_has_its_own_limit_by_its_role_and_leaves_the_rest_to_others() {
    let scene = Scene::new(|config| {
        config.officer.requests_per_s = 5;
        config.system.requests_per_s = 50;
        config.agency.requests_per_s = 100;
    });
    for (role, limit) in [
        ("officer", 5),
        ("auditor", 5),
        ("operator", 5),
        ("system", 50),
    ] {
        let accounts = scene.of("us-cbp", role, "a");
        for _ in 0..limit {
            assert_eq!(request(&accounts).await, Ok(()), "{role}");
        }
        assert_eq!(
            request(&accounts).await,
            Err("principal.requests"),
            "{role}"
        );
    }
    assert_eq!(request(&scene.of("us-cbp", "officer", "b")).await, Ok(()));
}

#[tokio::test]
async fn an_agency_may_have_a_quota_of_its_own() {
    let scene = Scene::new(|config| {
        config.agency.requests_per_s = 1;
        let own = config::Quota {
            requests_per_s: 3,
            ..config.agency
        };
        config.agencies.insert("us-cbp".into(), own);
    });
    for (agency, limit) in [("us-dea", 1), ("us-cbp", 3)] {
        let accounts = scene.of(agency, "system", "a");
        for _ in 0..limit {
            assert_eq!(request(&accounts).await, Ok(()), "{agency}");
        }
        assert_eq!(request(&accounts).await, Err("agency.requests"), "{agency}");
    }
}

#[tokio::test]
async fn bytes_are_counted_apart_from_requests() {
    let scene = Scene::new(|config| config.agency.bytes_per_s = 64 << 10);
    let accounts = scene.of("us-cbp", "system", "a");
    for _ in 0..4 {
        let taken = accounts.take(Meter::Bytes, 16 << 10, Patience::Short).await;
        assert_eq!(taken, Ok(()));
    }
    let over = accounts
        .take(Meter::Bytes, 1, Patience::Short)
        .await
        .unwrap_err();
    assert_eq!(over.quota, "agency.bytes");
    assert_eq!(request(&accounts).await, Ok(()));
    scene.later(250);
    let taken = accounts.take(Meter::Bytes, 16 << 10, Patience::Short).await;
    assert_eq!(taken, Ok(()));
}

#[tokio::test]
async fn what_is_held_comes_back_when_dropped_also_when_only_half_of_it_was_had() {
    let scene = Scene::new(|config| {
        config.officer.calls = 2;
        config.agency.calls = 3;
    });
    let (a, b) = (
        scene.of("us-cbp", "officer", "a"),
        scene.of("us-cbp", "officer", "b"),
    );
    for _ in 0..1_000 {
        let held = [
            a.hold(Held::Call).await.unwrap(),
            a.hold(Held::Call).await.unwrap(),
            b.hold(Held::Call).await.unwrap(),
        ];
        let refused = |over: Result<Permit, Over>| over.unwrap_err().quota;
        assert_eq!(refused(a.hold(Held::Call).await), "principal.calls");
        // B's own place was had, the agency's was not.
        assert_eq!(refused(b.hold(Held::Call).await), "agency.calls");
        assert!(b.hold(Held::Stream).await.is_ok(), "another kind");
        drop(held);
    }
}

#[tokio::test]
async fn a_principal_that_holds_something_is_not_forgotten() {
    let scene = Scene::new(|config| {
        config.principals = 64;
        config.officer.connections = 1;
    });
    let held = scene
        .quotas
        .connection(&caller("us-cbp", "officer", "a"))
        .await;
    for n in 0..1_000 {
        scene.of("us-dea", "officer", &format!("p{n}"));
    }
    let second = scene
        .of("us-cbp", "officer", "a")
        .hold(Held::Connection)
        .await;
    assert_eq!(second.unwrap_err().quota, "principal.connections");
    drop(held);
    let third = scene
        .of("us-cbp", "officer", "a")
        .hold(Held::Connection)
        .await;
    assert!(third.is_ok());
}
