//! `emberkeep config import` held against the options that stock Cinder really has.

mod real {
    use std::path::PathBuf;
    use std::process::Command;

    use anyhow::{Context, Result, ensure};
    use emberkeep::configure::import::knows;
    use tests::servers::variable;

    /// Groups of which every option must be known; of the rest those about backups and quotas.
    const WHOLE: [&str; 4] = ["keystone_authtoken", "nova", "coordination", "service_user"];

    #[test]
    fn every_option_about_backups_is_taken_over_or_left_out_with_a_reason() -> Result<()> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("compat/cinder_options.py");
        let output =
            Command::new(variable("EMBERKEEP_TEST_STOCK_PYTHON")).arg(script).output().context("run Python")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout)?;
        let options: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
        let is_ours = |group: &str, option: &str| {
            let words = ["backup", "quota", "swift_"];
            WHOLE.contains(&group) || group == "DEFAULT" && words.iter().any(|word| option.contains(word))
        };
        let ours: Vec<_> = options.iter().filter(|(group, option)| is_ours(group, option)).collect();
        ensure!(ours.len() > 150, "{ours:?}");
        let unknown: Vec<_> = ours.iter().filter(|(group, option)| !knows(group, option)).collect();
        ensure!(unknown.is_empty(), "crates/emberkeep/src/configure/import/cinder.rs says no word of {unknown:?}");
        Ok(())
    }
}
