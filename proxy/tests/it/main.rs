//! weir as one piece, over sockets and real files. One binary, since linking RocksDB is slow.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod architecture;
