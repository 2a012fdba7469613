//! The `weir` binary; see [`weir_proxy::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    weir_proxy::cli::run()
}
