//! The console in a real browser: what people do with it, by pointer and by keyboard, and what they see meanwhile.

mod console {
    pub(crate) mod chromium;
}

mod real {
    use std::sync::Arc;
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};
    use domain::Kind;
    use serde_json::json;
    use stdx::pace::Pace;
    use storage::layers::{Fault, Faults, Operation, Paced, Rule};
    use tests::client::{Client, Noun, wait_until};
    use tests::cluster::{Cluster, content, write_random};
    use tests::servers::PROJECT_ID;
    use thirtyfour::Key;

    use super::console::chromium::{Chromium, in_browser};

    const MIB: u64 = 1 << 20;
    /// Slow enough for progress to be seen.
    const BYTES_PER_SECOND: u64 = 12 * MIB;

    fn address(client: &Client) -> &str {
        client.endpoint().trim_end_matches("/v3")
    }

    async fn named_volume(client: &Client, name: &str) -> Result<String> {
        let made = client.post("/volumes", &json!({"volume": {"size": 1, "name": name}})).await?;
        let id = made["volume"]["id"].as_str().context("an id")?.to_owned();
        client.wait_for_status(Noun::Volume, &id, "available").await?;
        Ok(id)
    }

    async fn sign_in(browser: &Chromium) -> Result<()> {
        browser.open("/console").await?;
        browser.fill("[name=user]", "operator").await?;
        browser.fill("[name=project]", PROJECT_ID).await?;
        browser.click("#sign-in").await?;
        browser.see("Volumes").await
    }

    /// The values that the bar of the only job has until the job has ended.
    async fn watched(browser: &Chromium) -> Result<Vec<i64>> {
        let mut values = Vec::new();
        wait_until("the job has ended", Duration::from_secs(120), async || {
            let script = "const bar = document.querySelector('.job progress'); return bar ? bar.value : null";
            let value = browser.run(script).await?.as_f64();
            values.extend(value.map(|value| value as i64));
            Ok(value.is_none().then_some(()))
        })
        .await?;
        values.dedup();
        Ok(values)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_volume_is_backed_up_watched_verified_and_restored() -> Result<()> {
        let cluster = Cluster::start().await?;
        let slow = Paced::new(Arc::clone(&cluster.store), Arc::new(Pace::new(BYTES_PER_SECOND)));
        let _worker = cluster.worker_on(Arc::new(slow));
        let client = cluster.client()?;
        in_browser(address(&client), async |browser| {
            browser.open("/console/jobs").await?;
            ensure!(browser.path().await? == "/console/sign-in");
            browser.shoot("sign-in").await?;
            sign_in(browser).await?;
            browser.see("No volumes yet").await?;
            browser.shoot("no-volumes").await?;
            let volume = named_volume(&client, "database").await?;
            let path = cluster.volume_path(&volume)?;
            for part in 0..6 {
                write_random(&path, part * 16 * MIB, 16 << 20, part)?;
            }
            let before = content(&path)?;
            backs_up_in_full(browser, &volume).await?;
            write_random(&path, 0, 4096, 9)?;
            backs_up_incrementally(browser, &volume).await?;
            verifies(browser, &volume).await?;
            let restored = restores_the_first(browser, "rescued").await?;
            client.wait_for_status(Noun::Volume, &restored, "available").await?;
            ensure!(content(&cluster.volume_path(&restored)?)? == before, "the point in time that was chosen");
            browser.open("/console/backups").await?;
            browser.see("database").await?;
            browser.shoot("backups").await?;
            browser.click("#sign-out").await?;
            browser.see("You have signed out.").await
        })
        .await
    }

    async fn backs_up_in_full(browser: &Chromium, volume: &str) -> Result<()> {
        browser.open("/console/volumes").await?;
        browser.see("Not backed up yet").await?;
        browser.click(&format!("#f-{volume}")).await?;
        browser.see("A full backup was accepted.").await?;
        browser.run("window.stayed = true").await?;
        browser.see("/s").await?;
        browser.shoot("under-way").await?;
        let values = watched(browser).await?;
        ensure!(values.is_sorted() && values.len() > 2, "one sees it move: {values:?}");
        browser.see("1 point in time").await?;
        ensure!(browser.run("return window.stayed").await? == true, "the page was not loaded again");
        browser.wait_for_count(".chain .full.good .dot", 1).await
    }

    async fn backs_up_incrementally(browser: &Chromium, volume: &str) -> Result<()> {
        browser.click(&format!("#i-{volume}")).await?;
        browser.see("An incremental backup was accepted.").await?;
        browser.see("2 points in time").await?;
        browser.wait_for_count(".chain", 1).await?;
        browser.wait_for_count(".chain li.good:not(.full) .dot", 1).await?;
        browser.point_at(".chain .full .dot").await?;
        browser.see("1 GiB, ").await?;
        ensure!(browser.sees("never verified").await?);
        browser.shoot("timeline").await
    }

    async fn verifies(browser: &Chromium, volume: &str) -> Result<()> {
        browser.click(&format!("#v-{volume} h2 a")).await?;
        browser.see("Points in time").await?;
        browser.click("#points tbody tr:last-child form button").await?;
        browser.see("A verification was accepted").await?;
        browser.see("Nothing is under way.").await?;
        browser.shoot("jobs").await?;
        browser.open(&format!("/console/volumes/{volume}")).await?;
        browser.see("proven").await?;
        browser.shoot("volume").await
    }

    /// Answers the new volume's id.
    async fn restores_the_first(browser: &Chromium, name: &str) -> Result<String> {
        browser.click(".chain .full .dot").await?;
        browser.wait_for_count("dialog[open] [name=point]", 2).await?;
        browser.wait_for_count("dialog[open] .points li:last-child :checked", 1).await?;
        browser.fill("dialog [name=name]", name).await?;
        browser.shoot("restore").await?;
        browser.click("#restore").await?;
        browser.see("The restore was accepted").await?;
        browser.see("available").await?;
        let path = browser.path().await?;
        path.rsplit('/').next().map(str::to_owned).context("the volume's id")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn all_of_it_goes_by_keyboard() -> Result<()> {
        let cluster = Cluster::start().await?;
        let _worker = cluster.worker();
        let client = cluster.client()?;
        in_browser(address(&client), async |browser| {
            let volume = named_volume(&client, "letters").await?;
            browser.open("/console").await?;
            browser.tab_to("[name=user]").await?;
            browser.strike(Key::Tab).await?;
            browser.run("document.activeElement.select()").await?;
            browser.write(PROJECT_ID).await?;
            browser.strike(Key::Enter).await?;
            browser.see("letters").await?;
            browser.strike(Key::Tab).await?;
            ensure!(
                browser.run("return document.activeElement.className").await? == "skip",
                "first comes the way past"
            );
            browser.tab_to(&format!("#f-{volume}")).await?;
            browser.strike(Key::Enter).await?;
            browser.see("1 point in time").await?;

            browser.tab_to(".dot").await?;
            browser.see("never verified").await?;
            browser.shoot("focus").await?;
            browser.strike(Key::Enter).await?;
            browser.wait_for_count("dialog[open] :checked:focus", 1).await?;
            browser.strike(Key::Escape).await?;
            browser.wait_for_count("dialog[open]", 0).await?;
            browser.wait_for_count(".dot:focus", 1).await?;
            browser.strike(Key::Enter).await?;
            browser.wait_for_count("dialog[open] :checked:focus", 1).await?;
            browser.tab_to("dialog [name=name]").await?;
            browser.write("by hand").await?;
            browser.strike(Key::Enter).await?;
            browser.see("The restore was accepted").await?;
            browser.see("by hand").await?;
            browser.see("available").await?;
            Ok(())
        })
        .await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_points_stand_in_their_chains_on_any_screen() -> Result<()> {
        let cluster = Cluster::start().await?;
        let _worker = cluster.worker();
        let client = cluster.client()?;
        for (name, chains) in [("archive", [4, 2]), ("mail <b>&", [1, 3])] {
            let volume = named_volume(&client, name).await?;
            for points in chains {
                for point in 0..points {
                    let wish = json!({"incremental": point > 0, "name": format!("{name} {point}")});
                    let backup = client.create_backup(&volume, &wish).await?;
                    client.wait_for_status(Noun::Backup, &backup, "available").await?;
                }
            }
        }
        in_browser(address(&client), async |browser| {
            sign_in(browser).await?;
            browser.see("6 points in time").await?;
            ensure!(browser.count(".chain").await? == 4);
            ensure!(browser.count(".chain .full .dot").await? == 4 && browser.count(".dot").await? == 10);
            browser.see("mail <b>&").await?;
            browser.point_at(".chain li:nth-child(4) .dot").await?;
            browser.shoot("chains").await
        })
        .await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn workers_are_drained_failures_explained_and_sessions_end() -> Result<()> {
        let cluster = Cluster::start().await?;
        let faults = Arc::new(Faults::new(Arc::clone(&cluster.store)));
        faults.inject(Rule::new(Operation::Put, 1, Fault::Fail(Kind::Forbidden)).times(u64::MAX));
        let _worker = cluster.worker_on(faults);
        let client = cluster.client()?;
        in_browser(address(&client), async |browser| {
            let volume = named_volume(&client, "doomed").await?;
            write_random(&cluster.volume_path(&volume)?, 0, 4096, 1)?;
            sign_in(browser).await?;
            browser.open("/console/failures").await?;
            browser.see("Nothing has failed").await?;
            browser.open(&format!("/console/volumes/{volume}")).await?;
            browser.fill("[name=name]", "in vain").await?;
            browser.click("#back-up").await?;
            browser.wait_for_count(".chain .bad .dot", 1).await?;
            browser.see("A fault was injected").await?;
            browser.open("/console/failures").await?;
            browser.see("A fault was injected").await?;
            browser.see("Put right what the reason names").await?;
            browser.shoot("failures").await?;

            browser.open("/console/workers").await?;
            browser.see("0 of ").await?;
            browser.shoot("workers").await?;
            browser.click("#d-1").await?;
            browser.see("takes no new backups").await?;
            browser.see("drained").await?;
            let disabled = async || -> Result<bool> {
                let listed = client.get("/os-services?binary=cinder-backup").await?;
                Ok(listed["services"][0]["status"] == "disabled")
            };
            ensure!(disabled().await?, "as the clients see it");
            browser.click("#e-1").await?;
            browser.see("takes backups again").await?;
            ensure!(!disabled().await?);

            browser.forget_session().await?;
            browser.see("Sign in").await?;
            ensure!(browser.path().await? == "/console/sign-in", "the page notices by itself");
            Ok(())
        })
        .await
    }
}
