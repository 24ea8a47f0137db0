//! The product's story, told by OpenStack's own clients on real services: back up, back up incrementally, restore; and
//! the same with workers that are killed in the middle of it.

mod story {
    pub(crate) mod client;
    pub(crate) mod content;
    pub(crate) mod figures;
    pub(crate) mod kills;
    pub(crate) mod tale;
}

mod real {
    use tests::servers::{Options, Services};

    use super::story::{figures, kills, tale};

    #[tokio::test]
    async fn the_story_holds() {
        let services = Services::start(Options::default()).await.unwrap();
        let outcome = tale::tell(&services).await;
        outcome.unwrap_or_else(|error| panic!("{error:#}\n{}", services.logs()));
    }

    #[tokio::test]
    async fn requests_that_break_a_rule_are_refused() {
        let services = Services::start(Options::default()).await.unwrap();
        let outcome = tale::refusals(&services).await;
        outcome.unwrap_or_else(|error| panic!("{error:#}\n{}", services.logs()));
    }

    #[tokio::test]
    async fn kill_nine_of_the_worker_costs_time_and_nothing_else() {
        let mut services = Services::start(kills::options()).await.unwrap();
        let outcome = kills::rounds(&mut services).await;
        outcome.unwrap_or_else(|error| panic!("{error:#}\n{}", services.logs()));
    }

    /// With the lease that is the product's own.
    #[tokio::test]
    async fn another_worker_goes_on_soon() {
        let options = Options { lease_ttl_secs: scheduler::Config::default().lease_ttl_secs, ..kills::options() };
        let mut services = Services::start(options).await.unwrap();
        let outcome = figures::takeover(&mut services).await;
        outcome.unwrap_or_else(|error| panic!("{error:#}\n{}", services.logs()));
    }

    #[tokio::test]
    async fn a_cancelled_backup_is_soon_at_rest() {
        let services = Services::start(kills::options()).await.unwrap();
        let outcome = figures::cancellation(&services).await;
        outcome.unwrap_or_else(|error| panic!("{error:#}\n{}", services.logs()));
    }

    #[tokio::test]
    async fn a_backup_outlives_scheduler_and_api() {
        let mut services = Services::start(Options { workers: 1, ..kills::options() }).await.unwrap();
        let outcome = kills::scheduler_and_api(&mut services).await;
        outcome.unwrap_or_else(|error| panic!("{error:#}\n{}", services.logs()));
    }
}
