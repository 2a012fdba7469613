//! Descriptions of who may ask, and of their credentials.

use super::description::Description;
use crate::report::credentials::{MAX_BODY, MeItem, SessionItem, TokenItem, TokenMade, TokenWish};
use crate::report::list::Page;

pub(super) fn me() -> Description {
    Description::document::<MeItem<'static>>("Who asks, and what they may do")
}

pub(super) fn tokens() -> Description {
    Description::list::<Page<TokenItem>>("The tokens, oldest first, without their secrets")
}

pub(super) fn create_token() -> Description {
    Description::document::<TokenMade>("Makes a token")
        .detail("Its text is in this answer and nowhere else.")
        .body::<TokenWish>(MAX_BODY)
        .status(201)
        .refuses(422, "A member means nothing: its name, its cluster, its end.")
}

pub(super) fn revoke_token() -> Description {
    Description::nothing("Revokes a token, and ends the sessions that were signed in with it", 204)
}

pub(super) fn sessions() -> Description {
    Description::list::<Page<SessionItem>>("Who is signed in, longest first")
}

pub(super) fn end_session() -> Description {
    Description::nothing("Signs somebody out", 204)
}
