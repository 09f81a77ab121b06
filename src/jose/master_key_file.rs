//! The file that holds the master key: `<dir>/master.key`, readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::digest::base64url;
use crate::entropy::Entropy;
use crate::jose::error::Error;
use crate::jose::seal::MasterKey;

/// The file's name in the keys directory.
pub const FILE_NAME: &str = "master.key";

/// More than any spelling of a key takes; a larger file is something else.
const LONGEST: u64 = 1024;

/// Reads the master key of `dir`; `None` where there is no file. A node whose database already holds sealed
/// values asks with this function, and refuses to start on `None`: a new key could not open them.
///
/// # Errors
/// [`Error::MasterKeyExposed`] where group or others may access the file, [`Error::MasterKeyFormat`],
/// [`Error::MasterKeyFile`].
pub fn read(dir: &Path) -> Result<Option<MasterKey>, Error> {
    let path = dir.join(FILE_NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::MasterKeyFile { path, source }),
    };
    refuse_exposed(&file, &path)?;
    let mut text = Zeroizing::new(String::with_capacity(128));
    file.take(LONGEST).read_to_string(&mut text).map_err(|source| Error::MasterKeyFile { path, source })?;
    MasterKey::parse(&text).map(Some)
}

/// Reads the master key of `dir`, or makes one where there is none (and the directory with it). Of several
/// processes that do so at once, one makes the key and all use it; no crash leaves half a file.
///
/// # Errors
/// As [`read`], and [`Error::Entropy`].
pub fn read_or_create(dir: &Path, entropy: &dyn Entropy) -> Result<MasterKey, Error> {
    if let Some(key) = read(dir)? {
        return Ok(key);
    }
    let path = dir.join(FILE_NAME);
    let failed = |source| Error::MasterKeyFile { path: path.clone(), source };
    create_private_dir(dir).map_err(failed)?;
    let temporary = dir.join(format!(".{FILE_NAME}.{}", base64url(&entropy.bytes::<9>()?)));
    let written = write_new(&temporary, &MasterKey::generate(entropy)?);
    // A link, unlike a rename, fails where another process was first.
    let linked = written.and_then(|()| fs::hard_link(&temporary, &path));
    let removed = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => removed.map_err(failed)?,
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
    read(dir)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))
}

fn write_new(path: &PathBuf, key: &MasterKey) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(key.reveal().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn create_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Asks the open file, not the path: what is checked is what is read.
#[cfg(unix)]
fn refuse_exposed(file: &File, path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata =
        file.metadata().map_err(|source| Error::MasterKeyFile { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::MasterKeyExposed { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_exposed(_: &File, _: &Path) -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn the_key_is_made_once_and_read_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("keys");
        assert!(read(&dir).unwrap().is_none());
        let first = read_or_create(&dir, &SystemEntropy::new()).unwrap();
        let second = read_or_create(&dir, &SystemEntropy::new()).unwrap();
        assert_eq!(first.check_value(), second.check_value());
        let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE_NAME], "no temporary file stays");
    }

    #[test]
    fn processes_that_start_at_once_share_one_key() {
        let root = tempfile::tempdir().unwrap();
        let values: std::collections::BTreeSet<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| read_or_create(root.path(), &SystemEntropy::new()).unwrap()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap().check_value()).collect()
        });
        assert_eq!(values.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_open_to_others_is_refused_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        read_or_create(root.path(), &SystemEntropy::new()).unwrap();
        let path = root.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o644, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read_or_create(root.path(), &SystemEntropy::new()).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_kept() {
        let root = tempfile::tempdir().unwrap();
        read_or_create(root.path(), &SystemEntropy::new()).unwrap();
        for text in ["", "\n", "hello"] {
            fs::write(root.path().join(FILE_NAME), text).unwrap();
            let error = read_or_create(root.path(), &SystemEntropy::new()).unwrap_err();
            assert!(matches!(error, Error::MasterKeyFormat));
            assert_eq!(fs::read_to_string(root.path().join(FILE_NAME)).unwrap(), text);
        }
    }
}
