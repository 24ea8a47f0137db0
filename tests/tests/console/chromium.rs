//! One browser: Debian's chromium, driven by its chromedriver, with a profile of its own. Screenshots go to
//! `target/tmp/console`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::client::wait_until;
use thirtyfour::{By, ChromiumLikeCapabilities, DesiredCapabilities, Key, LoggingPrefsLogLevel, WebDriver, WebElement};

/// What a page may take on a busy machine, jobs included.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Chromium {
    driver: WebDriver,
    address: String,
    shots: PathBuf,
    // The browser ends before its profile goes.
    _process: Process,
    _profile: TempDir,
}

/// chromedriver.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Chromium {
    /// `address` is the api's: `http://127.0.0.1:8776`.
    async fn start(address: &str) -> Result<Self> {
        let (process, port) = launch().context("start chromedriver: `cargo xtask servers` installs it")?;
        let profile = tempfile::tempdir()?;
        let mut wishes = DesiredCapabilities::chrome();
        let data = format!("--user-data-dir={}", profile.path().display());
        // Root may not have a sandbox; what is shown is ours.
        for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &data] {
            wishes.add_arg(argument)?;
        }
        wishes.add_arg("--window-size=1280,960")?;
        wishes.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        let driver = WebDriver::new(&format!("http://127.0.0.1:{port}"), wishes).await?;
        let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
        std::fs::create_dir_all(&shots)?;
        Ok(Self { driver, address: address.to_owned(), shots, _process: process, _profile: profile })
    }

    pub(crate) async fn open(&self, path: &str) -> Result<()> {
        self.driver.goto(format!("{}{path}", self.address)).await.with_context(|| format!("open {path}"))
    }

    pub(crate) async fn path(&self) -> Result<String> {
        Ok(self.driver.current_url().await?.path().to_owned())
    }

    /// Waits until the page's words have these among them.
    pub(crate) async fn see(&self, words: &str) -> Result<()> {
        let seen = wait_until(&format!("the page says {words:?}"), LIMIT, async || {
            Ok(self.text().await.ok().filter(|text| text.contains(words)).map(drop))
        })
        .await;
        match seen {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(self.text().await.unwrap_or_default())),
        }
    }

    pub(crate) async fn sees(&self, words: &str) -> Result<bool> {
        Ok(self.text().await?.contains(words))
    }

    async fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// A part may be renewed just when it is found, so that it is looked for until it lets itself be used.
    pub(crate) async fn click(&self, css: &str) -> Result<()> {
        wait_until(&format!("{css} is clicked"), LIMIT, async || {
            let Ok(found) = self.driver.find(By::Css(css)).await else { return Ok(None) };
            Ok(found.click().await.ok())
        })
        .await
    }

    /// Puts the pointer there.
    pub(crate) async fn point_at(&self, css: &str) -> Result<()> {
        wait_until(&format!("the pointer is at {css}"), LIMIT, async || {
            let Ok(found) = self.driver.find(By::Css(css)).await else { return Ok(None) };
            Ok(self.driver.action_chain().move_to_element_center(&found).perform().await.ok())
        })
        .await
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) -> Result<()> {
        let field = self.find(css).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    pub(crate) async fn find(&self, css: &str) -> Result<WebElement> {
        wait_until(&format!("{css} is there"), LIMIT, async || Ok(self.driver.find(By::Css(css)).await.ok())).await
    }

    pub(crate) async fn count(&self, css: &str) -> Result<usize> {
        Ok(self.driver.find_all(By::Css(css)).await?.len())
    }

    pub(crate) async fn wait_for_count(&self, css: &str, count: usize) -> Result<()> {
        wait_until(&format!("{count} of {css} are there"), LIMIT, async || {
            Ok((self.count(css).await? == count).then_some(()))
        })
        .await
    }

    /// Strikes a key, wherever the focus is.
    pub(crate) async fn strike(&self, key: Key) -> Result<()> {
        Ok(self.driver.active_element().await?.send_keys(key).await?)
    }

    pub(crate) async fn write(&self, text: &str) -> Result<()> {
        Ok(self.driver.active_element().await?.send_keys(text).await?)
    }

    /// Goes on by Tab until the focus is on what this selects; it must be to be seen that it is.
    pub(crate) async fn tab_to(&self, css: &str) -> Result<()> {
        const STEPS_MAX: usize = 60;
        for _ in 0..STEPS_MAX {
            let script = format!(
                "const it = document.activeElement; if (!it.matches({})) return null; \
                 const style = getComputedStyle(it.matches('.dot') ? it : it); return style.outlineStyle",
                Value::from(css)
            );
            if let Some(outline) = self.run(&script).await?.as_str() {
                ensure!(outline != "none" || css.contains("radio"), "the focus on {css} is not to be seen");
                return Ok(());
            }
            self.strike(Key::Tab).await?;
        }
        anyhow::bail!("no way to {css} by Tab")
    }

    pub(crate) async fn run(&self, script: &str) -> Result<Value> {
        let answer = self.driver.execute(script, Vec::new()).await.with_context(|| script.to_owned())?;
        Ok(answer.json().clone())
    }

    pub(crate) async fn forget_session(&self) -> Result<()> {
        self.command("Network.clearBrowserCookies", json!({})).await
    }

    /// The page as it is, light and dark, wide and on a telephone.
    pub(crate) async fn shoot(&self, name: &str) -> Result<()> {
        for (width, height, screen) in [(1280, 960, "wide"), (390, 844, "narrow")] {
            let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
            self.command("Emulation.setDeviceMetricsOverride", metrics).await?;
            for scheme in ["light", "dark"] {
                let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
                self.command("Emulation.setEmulatedMedia", features).await?;
                self.driver.screenshot(&self.shots.join(format!("{name}-{screen}-{scheme}.png"))).await?;
            }
            let overflows = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
            ensure!(self.run(overflows).await? == false, "{name} is wider than its screen of {width} pixels");
        }
        self.command("Emulation.clearDeviceMetricsOverride", json!({})).await?;
        self.command("Emulation.setEmulatedMedia", json!({"features": []})).await
    }

    async fn command(&self, name: &str, parameters: Value) -> Result<()> {
        self.driver.cdp().send_raw(name, parameters).await.map(drop).with_context(|| name.to_owned())
    }

    /// Ends the browser. An error where it complained: of the pages' policy, of a script, of something that is not there.
    async fn close(self) -> Result<()> {
        let log = self.driver.browser_log().await;
        self.driver.quit().await?;
        let log = log?;
        let complaints: Vec<_> = log.iter().filter(|entry| entry.level == "SEVERE").collect();
        ensure!(complaints.is_empty(), "{complaints:?}");
        Ok(())
    }
}

/// Opens a browser for `work`, and ends it whatever comes of that.
pub(crate) async fn in_browser(address: &str, work: impl AsyncFnOnce(&Chromium) -> Result<()>) -> Result<()> {
    let browser = Chromium::start(address).await?;
    let done = work(&browser).await;
    if done.is_err() {
        browser.shoot("failed").await.context("a screenshot of the failure")?;
    }
    let closed = browser.close().await;
    done.and(closed)
}

/// On a port that it chooses, which it tells.
fn launch() -> Result<(Process, u16)> {
    let mut command = Command::new("chromedriver");
    let child = command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut process = Process(child);
    let output = process.0.stdout.take().context("its output")?;
    let mut lines = BufReader::new(output).lines();
    let told = lines.find_map(|line| {
        let line = line.ok()?;
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    });
    // What it says further is read, or it would wait for somebody to.
    std::thread::spawn(move || lines.for_each(drop));
    Ok((process, told.context("its port")?))
}
