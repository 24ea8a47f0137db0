//! From a service's result to a process's exit code.

use std::any::Any;
use std::error::Error;
use std::process::ExitCode;

use stdx::report::Chain;

use crate::config::ConfigError;

/// The command line or the configuration is wrong; nothing was started (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;
/// Everything else that ends a service before its time.
pub const FAILED: u8 = 1;

/// Why a process ends badly. Any error becomes one with `?`; a [`ConfigError`] keeps its own exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    error: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// The caller asked for something that cannot be.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, error: message.into().into() }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, error: message.into().into() }
    }

    #[must_use]
    pub const fn code(&self) -> u8 {
        self.code
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let code = if (&error as &dyn Any).is::<ConfigError>() { USAGE } else { FAILED };
        Self { code, error: Box::new(error) }
    }
}

/// Runs a service on a multi-threaded runtime of its own and says on stderr why it failed, if it did.
///
/// Call it from a plain `main`, not from within a runtime. Blocking tasks that still run when the service has ended are
/// abandoned after a second.
pub fn run_main<F>(service: &'static str, main: F) -> ExitCode
where
    F: Future<Output = Result<(), Failure>>,
{
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(service, &Failure::from(error)),
    };
    let result = runtime.block_on(Box::pin(main));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => complain(service, &failure),
    }
}

/// Stderr and not the log: the log may not be up yet, or be shut down already.
fn complain(service: &str, failure: &Failure) -> ExitCode {
    eprintln!("{service}: {}", Chain(failure.error.as_ref()));
    ExitCode::from(failure.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_errors_have_their_own_code() {
        fn fails() -> Result<(), Failure> {
            Err(ConfigError::value("api.listen", "is no address"))?;
            Ok(())
        }
        assert_eq!(fails().unwrap_err().code(), USAGE);
        assert_eq!(Failure::from(std::io::Error::other("disk")).code(), FAILED);
        assert_eq!(Failure::usage("no such option").code(), USAGE);
    }

    #[test]
    fn a_service_that_ends_well_is_a_success() {
        let code = run_main("test", async {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            Ok(())
        });
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    }
}
