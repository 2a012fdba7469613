//! Packages of distributions: what each package manager's own database says is installed, and which files it owns.
//!
//! One file of this folder per database. Owned paths are hashed as the database writes them: a name through a link of
//! usr-merge (`lib/…` for `usr/lib/…`) is composition's to follow.

mod apk;
mod bottlerocket;
mod chisel;
mod cos;
mod dpkg;
mod dpkg_list;
mod homebrew;
mod kernel;
mod nix;
mod opkg;
mod owned;
mod pacman;
mod portage;
mod snap;
mod ubuntu_pro;
mod zstd;

use super::{Detector, Watcher};

/// The detectors of system packages.
pub(super) fn detectors() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(dpkg::Dpkg),
        Box::new(dpkg_list::DpkgLists),
        Box::new(opkg::Opkg),
        Box::new(apk::Apk),
        Box::new(apk::Repositories),
        Box::new(chisel::Chisel),
        Box::new(pacman::Pacman),
        Box::new(portage::Portage),
        Box::new(nix::Nix),
        Box::new(snap::Snap),
        Box::new(homebrew::Homebrew),
        Box::new(cos::Cos),
        Box::new(bottlerocket::Bottlerocket),
        Box::new(kernel::Kernel),
        Box::new(ubuntu_pro::UbuntuPro),
    ]
}

/// The watchers that tell what of them is packed away.
pub(super) fn watchers() -> Vec<Box<dyn Watcher>> {
    vec![Box::new(snap::PackedSnaps)]
}
