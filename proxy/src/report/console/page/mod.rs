//! The pages, one file each: what is asked, and the template it goes into.

mod activity;
mod clusters;
mod compare;
mod days;
mod except;
mod exceptions;
mod feeds;
mod image;
mod nodes;
mod repositories;
mod repository;
mod tokens;
mod vulnerabilities;
mod vulnerability;

use hyper::Response;

use super::{Place, Screen, Visit};
use crate::http::Body;
use crate::report::problem::Problem;

/// A choice above a list: a part of it, or all.
struct Tab {
    text: &'static str,
    link: Place,
    current: bool,
}

/// The page or the form's answer.
pub(super) async fn answer(screen: Screen, visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    match screen {
        Screen::Activity => activity::answer(visit).await,
        Screen::Asset => super::asset::answer(visit.place),
        Screen::Cancel => exceptions::cancel(visit).await,
        Screen::CancelForm => exceptions::cancel_all(visit).await,
        Screen::Clusters => clusters::answer(visit).await,
        Screen::Compare => compare::answer(visit).await,
        Screen::Except => except::answer(visit).await,
        Screen::ExceptForm => except::save(visit).await,
        Screen::Exception => exceptions::one(visit).await,
        Screen::Exceptions => exceptions::list(visit).await,
        Screen::Feeds => feeds::answer(visit).await,
        Screen::Image => image::answer(visit).await,
        Screen::Nodes => nodes::answer(visit).await,
        Screen::RefreshFeeds => feeds::refresh(visit).await,
        Screen::RemoveCluster => clusters::remove(visit).await,
        Screen::Repositories => repositories::answer(visit).await,
        Screen::Repository => repository::answer(visit).await,
        Screen::RequestScan => image::scan(visit).await,
        Screen::RevokeToken => tokens::revoke(visit).await,
        Screen::TokenForm => tokens::create(visit).await,
        Screen::Tokens => tokens::answer(visit).await,
        Screen::Vulnerabilities => vulnerabilities::answer(visit).await,
        Screen::Vulnerability => vulnerability::answer(visit).await,
    }
}
