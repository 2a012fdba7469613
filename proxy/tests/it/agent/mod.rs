//! Agents and the server they report to: whatever breaks, nothing is counted twice and nothing is lost.

mod harness;
mod protocol;
mod relay;
mod report;
mod token;
