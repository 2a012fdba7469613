//! The report's lists of everything weir has seen: repositories, images and vulnerabilities, what they come to, and how they page.

mod lists;
mod pages;
