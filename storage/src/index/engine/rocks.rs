//! The engine on disk: RocksDB, held to little memory.
//!
//! Owns the database's handle and settings; a process has a directory to itself, by RocksDB's own lock file.

use std::path::{Path, PathBuf};

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, ErrorKind, LogLevel,
    Options, ReadOptions, WriteBatch, WriteOptions,
};

use super::super::format::FORMAT_FILE;
use super::{Batch, Change, Direction, Durability, Engine, IndexError, PAGE_BYTES, Row, RowPage, Scan, Table, beyond};

/// Blocks, indexes and filters in memory, all tables together.
const BLOCK_CACHE_BYTES: usize = 8 << 20;
/// Unflushed rows in memory, all tables together.
const WRITE_BUFFERS_BYTES: usize = 8 << 20;
/// Unflushed rows of one table; an import fills two of these at a time and leaves room for the rest.
const WRITE_BUFFER_BYTES: usize = 2 << 20;
/// Write buffers grow in steps of this size; RocksDB's own choice (an eighth of a buffer) costs half a MiB a table.
const ARENA_BYTES: usize = 64 << 10;
/// A restart replays at most this much log, well inside the time weir has to become ready.
const LOG_BYTES: u64 = 32 << 20;
/// Open table files; each costs a descriptor and some kilobytes.
const OPEN_FILES: i32 = 128;

/// RocksDB in one directory.
pub struct RocksEngine {
    path: PathBuf,
    database: DB,
}

impl RocksEngine {
    /// Opens or creates the database in `path`.
    ///
    /// # Errors
    /// [`IndexError::InUse`] while another process has it, [`IndexError::Newer`] for tables this version does not know,
    /// [`IndexError::Damaged`] where files are missing or broken, [`IndexError::Open`] for what the system refuses.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let refused = |error: std::io::Error| IndexError::Open { path: path.to_owned(), source: error.into() };
        std::fs::create_dir_all(path).map_err(refused)?;
        if is_created(path).map_err(refused)? {
            stored_tables(path)?;
        }
        let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        let tables = Table::ALL.iter().map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(&cache)));
        let database = DB::open_cf_descriptors(&database_options(&cache), path, tables)
            .map_err(|error| open_error(path, error))?;
        Ok(Self { path: path.to_owned(), database })
    }

    /// Opens the database in `path` with the tables it has; an older version can still open it afterwards.
    ///
    /// # Errors
    /// As [`RocksEngine::open`]; a directory without a database is [`IndexError::Damaged`].
    pub fn open_as_it_is(path: &Path) -> Result<Self, IndexError> {
        let tables = stored_tables(path)?;
        let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        let mut options = database_options(&cache);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let tables = tables.into_iter().map(|name| ColumnFamilyDescriptor::new(name, table_options(&cache)));
        let database = DB::open_cf_descriptors(&options, path, tables).map_err(|error| open_error(path, error))?;
        Ok(Self { path: path.to_owned(), database })
    }

    /// Opens the database in `path` as it is now, to read it, whether or not another process has it open for writing.
    ///
    /// # Errors
    /// As [`RocksEngine::open`], except for [`IndexError::InUse`]; a directory without a database is [`IndexError::Damaged`]. A
    /// process that writes may clean up a file between its being named and opened: another try succeeds then.
    pub fn open_read_only(path: &Path) -> Result<Self, IndexError> {
        let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        let stored = DB::list_cf(&Options::default(), path).map_err(|error| open_error(path, error))?;
        // A table that an older version did not have yet cannot be made here.
        let tables =
            Table::ALL.iter().map(|table| table.name()).filter(|name| stored.iter().any(|known| known == name));
        let tables = tables.map(|name| ColumnFamilyDescriptor::new(name, table_options(&cache)));
        let mut options = database_options(&cache);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        // Everything stays open, so that nothing read later is gone by then.
        options.set_max_open_files(-1);
        let database = DB::open_cf_descriptors_read_only(&options, path, tables, false)
            .map_err(|error| open_error(path, error))?;
        Ok(Self { path: path.to_owned(), database })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A table; `None` for one that an older version did not have yet, in an index that is open to be read.
    fn family(&self, table: Table) -> Option<&rocksdb::ColumnFamily> {
        self.database.cf_handle(table.name())
    }
}

/// The names of the tables a database has; those that this version does not know are refused.
fn stored_tables(path: &Path) -> Result<Vec<String>, IndexError> {
    let stored = DB::list_cf(&Options::default(), path).map_err(|error| open_error(path, error))?;
    let unknown: Vec<&str> = stored.iter().map(String::as_str).filter(|name| !is_known(name)).collect();
    if unknown.is_empty() {
        return Ok(stored);
    }
    Err(IndexError::Newer { path: path.to_owned(), found: format!("tables {}", unknown.join(", ")) })
}

/// Whether the directory holds a database. RocksDB would take table files without its `CURRENT` file for leftovers and
/// delete them; that is refused.
fn is_created(path: &Path) -> Result<bool, std::io::Error> {
    if path.join("CURRENT").try_exists()? {
        return Ok(true);
    }
    for entry in std::fs::read_dir(path)? {
        if entry?.path().extension().is_some_and(|extension| extension == "sst") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_known(name: &str) -> bool {
    // RocksDB insists on a column family of this name; weir keeps nothing in it.
    name == "default" || Table::ALL.iter().any(|table| table.name() == name)
}

fn open_error(path: &Path, error: rocksdb::Error) -> IndexError {
    let path = path.to_owned();
    // RocksDB has no code for a held lock; its two messages are "While lock file: …/LOCK" and "lock hold by current process".
    let text = error.to_string();
    if text.contains("While lock file") || text.contains("lock hold by current process") {
        return IndexError::InUse { path };
    }
    match error.kind() {
        ErrorKind::IOError if !text.contains("No such file") => IndexError::Open { path, source: error.into() },
        _ => IndexError::Damaged { path, source: error.into() },
    }
}

fn database_options(cache: &Cache) -> Options {
    let mut options = table_options(cache);
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(LOG_BYTES);
    options.set_max_open_files(OPEN_FILES);
    options.set_max_background_jobs(2);
    // A log torn by a crash ends at its last whole batch; anything else that does not add up is damage and is told.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options
}

fn table_options(cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(8 << 10);
    blocks.set_bloom_filter(10.0, false);
    // Indexes and filters count against the cache, so that memory stays bounded however large the index grows.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(2);
    options.set_arena_block_size(ARENA_BYTES);
    options
}

impl Engine for RocksEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let Some(family) = self.family(table) else { return Ok(None) };
        self.database.get_cf(family, key).map_err(|error| read_error(table, error))
    }

    fn page(&self, scan: &Scan, limit: usize) -> Result<RowPage, IndexError> {
        let Some(family) = self.family(scan.table) else { return Ok(RowPage { rows: Vec::new(), more: false }) };
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(scan.prefix.clone());
        if let Some(upper) = beyond(&scan.prefix) {
            options.set_iterate_upper_bound(upper);
        }
        let mut rows = self.database.raw_iterator_cf_opt(family, options);
        match (scan.direction, &scan.after) {
            (Direction::Forward, None) => rows.seek_to_first(),
            (Direction::Forward, Some(after)) => rows.seek(after),
            (Direction::Backward, None) => rows.seek_to_last(),
            (Direction::Backward, Some(after)) => rows.seek_for_prev(after),
        }
        let (mut page, mut size) = (RowPage { rows: Vec::new(), more: false }, 0);
        while let Some((key, value)) = rows.item() {
            if scan.after.as_deref() != Some(key) {
                if page.rows.len() >= limit || size >= PAGE_BYTES {
                    page.more = !page.rows.is_empty();
                    break;
                }
                let value = if scan.values { value.to_vec() } else { Vec::new() };
                size += key.len() + value.len();
                page.rows.push(Row { key: key.to_vec(), value });
            }
            match scan.direction {
                Direction::Forward => rows.next(),
                Direction::Backward => rows.prev(),
            }
        }
        // An iterator that met an error looks like one at its end.
        rows.status().map_err(|error| read_error(scan.table, error))?;
        Ok(page)
    }

    fn write(&self, batch: Batch) -> Result<(), IndexError> {
        let mut options = WriteOptions::default();
        options.set_sync(batch.durability() == Durability::Machine);
        let mut changes = WriteBatch::default();
        // Each change is freed once it is copied: a cluster's objects are many megabytes, and need not be there twice.
        for Change { table, key, value } in batch.changes {
            let Some(family) = self.family(table) else {
                let source = format!("there is no table {}: the index is open to be read", table.name());
                return Err(IndexError::Write { source: source.into() });
            };
            match value {
                Some(value) => changes.put_cf(family, key, value),
                None => changes.delete_cf(family, key),
            }
        }
        self.database.write_opt(changes, &options).map_err(|error| IndexError::Write { source: error.into() })
    }

    fn sync(&self) -> Result<(), IndexError> {
        self.database.flush_wal(true).map_err(|error| IndexError::Write { source: error.into() })
    }

    fn checkpoint(&self, to: &Path) -> Result<(), IndexError> {
        let failed = |source| IndexError::Checkpoint { path: to.to_owned(), source };
        let checkpoint = Checkpoint::new(&self.database).and_then(|checkpoint| checkpoint.create_checkpoint(to));
        checkpoint.map_err(|error| failed(error.into()))?;
        // RocksDB takes along what it knows of. The file never goes down, so that it covers what was copied before it.
        match std::fs::copy(self.path.join(FORMAT_FILE), to.join(FORMAT_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error.into())),
            _ => Ok(()),
        }
    }
}

fn read_error(table: Table, error: rocksdb::Error) -> IndexError {
    IndexError::Read { table: table.name(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    fn written(path: &Path) {
        let engine = RocksEngine::open(path).unwrap();
        let mut batch = Batch::new();
        batch.put(Table::Stamps, b"a".to_vec(), b"1".to_vec());
        engine.write(batch).unwrap();
        // Rows reach a table file, so that damage to it can be made.
        engine.database.flush_cf(engine.family(Table::Stamps).unwrap()).unwrap();
    }

    fn file_with(path: &Path, part: &str) -> PathBuf {
        let mut files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        files.find(|file| file.file_name().unwrap().to_str().unwrap().contains(part)).unwrap()
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path());
        let engine = RocksEngine::open(directory.path()).unwrap();
        assert_eq!(engine.get(Table::Stamps, b"a").unwrap().unwrap(), b"1");
    }

    #[test]
    fn a_second_opener_is_told_that_the_index_is_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let first = RocksEngine::open(directory.path()).unwrap();
        let second = RocksEngine::open(directory.path()).err().unwrap();
        assert!(matches!(&second, IndexError::InUse { path } if path == directory.path()), "{second}");
        drop(first);
        assert!(RocksEngine::open(directory.path()).is_ok());
    }

    #[test]
    fn tables_of_a_newer_version_are_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path());
        let mut options = Options::default();
        options.create_missing_column_families(true);
        drop(
            DB::open_cf(
                &options,
                directory.path(),
                Table::ALL.iter().map(|table| table.name()).chain(["default", "holograms"]),
            )
            .unwrap(),
        );
        let error = RocksEngine::open(directory.path()).err().unwrap();
        assert!(matches!(&error, IndexError::Newer { found, .. } if found == "tables holograms"), "{error}");
    }

    #[test]
    fn tables_that_an_older_version_did_not_have_are_empty_to_a_reader_and_made_by_a_writer() {
        let directory = tempfile::tempdir().unwrap();
        let mut engine = RocksEngine::open(directory.path()).unwrap();
        engine.database.drop_cf(Table::Tokens.name()).unwrap();
        drop(engine);
        let reader = RocksEngine::open_read_only(directory.path()).unwrap();
        assert_eq!(reader.get(Table::Tokens, b"a").unwrap(), None);
        let page = reader.page(&Scan::prefix(Table::Tokens, Vec::new()), 1).unwrap();
        assert_eq!(page, RowPage { rows: Vec::new(), more: false });
        let mut batch = Batch::new();
        batch.put(Table::Tokens, b"a".to_vec(), b"1".to_vec());
        assert!(matches!(reader.write(batch.clone()), Err(IndexError::Write { .. })));
        RocksEngine::open(directory.path()).unwrap().write(batch).unwrap();
    }

    #[test]
    fn a_checkpoint_is_the_database_of_one_moment_while_it_is_written_on() {
        let directory = tempfile::tempdir().unwrap();
        let (path, to) = (directory.path().join("index"), directory.path().join("checkpoint"));
        let engine = RocksEngine::open(&path).unwrap();
        // Each batch writes the same number into two tables: at no moment do they differ.
        let write = |number: u32| {
            let mut batch = Batch::new();
            for table in [Table::Stamps, Table::Audit] {
                batch.put(table, b"at".to_vec(), number.to_be_bytes().to_vec());
                batch.put(table, number.to_be_bytes().to_vec(), vec![7; 2000]);
            }
            engine.write(batch).unwrap();
        };
        write(0);
        let (written, stop) = (AtomicU32::new(0), AtomicBool::new(false));
        let before = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    let number = written.load(Ordering::Acquire) + 1;
                    write(number);
                    written.store(number, Ordering::Release);
                }
            });
            while written.load(Ordering::Acquire) < 100 {
                std::thread::yield_now();
            }
            let before = written.load(Ordering::Acquire);
            let made = engine.checkpoint(&to);
            stop.store(true, Ordering::Release);
            made.unwrap();
            before
        });
        let copy = RocksEngine::open(&to).unwrap();
        let at = |table| u32::from_be_bytes(copy.get(table, b"at").unwrap().unwrap().try_into().unwrap());
        let (stamp, audit) = (at(Table::Stamps), at(Table::Audit));
        assert_eq!(stamp, audit);
        assert!((before..=written.into_inner()).contains(&stamp), "{stamp}");
        assert!(copy.get(Table::Audit, &stamp.to_be_bytes()).unwrap().is_some());
        assert_eq!(copy.get(Table::Audit, &(stamp + 1).to_be_bytes()).unwrap(), None);
        assert!(matches!(engine.checkpoint(&to), Err(IndexError::Checkpoint { .. })), "it is there already");
    }

    #[test]
    fn a_checkpoint_at_rest_makes_no_table_that_an_older_version_does_not_know() {
        let directory = tempfile::tempdir().unwrap();
        let (path, to) = (directory.path().join("index"), directory.path().join("checkpoint"));
        written(&path);
        let mut engine = RocksEngine::open(&path).unwrap();
        engine.database.drop_cf(Table::Tokens.name()).unwrap();
        drop(engine);
        RocksEngine::open_as_it_is(&path).unwrap().checkpoint(&to).unwrap();
        for path in [&path, &to] {
            let tables = DB::list_cf(&Options::default(), path).unwrap();
            assert!(!tables.iter().any(|name| name == Table::Tokens.name()), "{tables:?}");
        }
        assert_eq!(RocksEngine::open(&to).unwrap().get(Table::Stamps, b"a").unwrap().unwrap(), b"1");
    }

    #[test]
    fn damage_is_told_with_the_directory_and_a_way_out() {
        for (part, replacement) in [
            ("MANIFEST", Some("garbage")),
            ("CURRENT", Some("garbage")),
            ("CURRENT", None),
            (".sst", Some("garbage")),
            (".sst", None),
        ] {
            let directory = tempfile::tempdir().unwrap();
            written(directory.path());
            let file = file_with(directory.path(), part);
            match replacement {
                Some(text) => std::fs::write(&file, text).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            // A broken table file may show only when it is read.
            let error = RocksEngine::open(directory.path()).and_then(|engine| engine.get(Table::Stamps, b"a")).err();
            match error {
                Some(IndexError::Damaged { path, source }) => assert_eq!(path, directory.path(), "{source}"),
                Some(IndexError::Read { table: "stamps", .. }) if part == ".sst" => {}
                other => panic!("{part} {replacement:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_path_that_cannot_be_a_directory_is_an_open_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = RocksEngine::open(&file.path().join("index")).err().unwrap();
        assert!(matches!(error, IndexError::Open { .. }));
    }
}
