//! All files and folders of a simulated disk, and finding one's way through them.
//!
//! Above: [`SimFs`](super::SimFs). Below: `file`, `folder`, `faults`. Files that lost their last name are kept, since a handle
//! may still be open.

use super::{
    super::{DirEntry, OpenMode},
    faults::Faults,
    file::FileImages,
    folder::FolderImages,
    random::Random,
};
use std::{
    collections::BTreeSet,
    io,
    path::{Component, Path, PathBuf},
};

/// Index of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(usize);

#[derive(Debug, Clone)]
enum Node {
    File(FileImages),
    Folder(FolderImages),
}

const ROOT: NodeId = NodeId(0);

/// Allocation unit.
const BLOCK: u64 = 4096;

/// The whole disk.
#[derive(Debug)]
pub(super) struct Disk {
    nodes: Vec<Node>,
    locks: BTreeSet<PathBuf>,
    pub(super) faults: Faults,
    pub(super) capacity: u64,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::Folder(FolderImages::default())],
            locks: BTreeSet::new(),
            faults: Faults::default(),
            capacity: 1 << 50,
        }
    }

    pub(super) fn crashed(&self, random: &mut Random) -> Self {
        self.after_power_loss(random, FolderImages::crashed)
    }

    pub(super) fn scattered(&self, random: &mut Random) -> Self {
        self.after_power_loss(random, FolderImages::scattered)
    }

    fn after_power_loss(
        &self,
        random: &mut Random,
        names: impl Fn(&FolderImages, &mut Random) -> FolderImages,
    ) -> Self {
        self.rebuilt(|node| match node {
            Node::File(file) => {
                let mut image = FileImages::settled(file.crashed(random));
                image.broken.clone_from(&file.broken);
                Node::File(image)
            }
            Node::Folder(folder) => Node::Folder(names(folder, random)),
        })
    }

    pub(super) fn killed(&self) -> Self {
        self.rebuilt(Node::clone)
    }

    fn rebuilt(&self, image: impl FnMut(&Node) -> Node) -> Self {
        Self {
            nodes: self.nodes.iter().map(image).collect(),
            locks: BTreeSet::new(),
            faults: Faults::default(),
            capacity: self.capacity,
        }
    }

    /// A file by its id, which only [`Disk::open`] and [`Disk::find`] hand out.
    #[expect(clippy::panic, reason = "a broken simulation must not pass for a broken disk")]
    pub(super) fn file(&mut self, id: NodeId) -> &mut FileImages {
        match self.nodes.get_mut(id.0) {
            Some(Node::File(file)) => file,
            _ => panic!("node {id:?} of the simulated disk is no file"),
        }
    }

    pub(super) fn file_at(&mut self, path: &Path) -> io::Result<&mut FileImages> {
        let id = self.find(path)?;
        match self.nodes.get_mut(id.0) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn folder(&mut self, path: &Path) -> io::Result<&mut FolderImages> {
        let id = self.find(path)?;
        match self.nodes.get_mut(id.0) {
            Some(Node::Folder(folder)) => Ok(folder),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut at = ROOT;
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            let name = name.to_str().ok_or(io::ErrorKind::InvalidInput)?;
            at = match self.nodes.get(at.0) {
                Some(Node::Folder(folder)) => folder.get(name).ok_or(io::ErrorKind::NotFound)?,
                _ => return Err(io::ErrorKind::NotADirectory.into()),
            };
        }
        Ok(at)
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    pub(super) fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<NodeId> {
        let found = match self.find(path) {
            Ok(id) => Some(id),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match (found, mode) {
            (Some(_), OpenMode::CreateNew) => Err(io::ErrorKind::AlreadyExists.into()),
            (None, OpenMode::Read | OpenMode::ReadWrite) => Err(io::ErrorKind::NotFound.into()),
            (Some(id), OpenMode::Read | OpenMode::ReadWrite | OpenMode::CreateOrTruncate) => {
                let file = self.file_at(path)?;
                if mode == OpenMode::CreateOrTruncate {
                    file.set_len(0);
                }
                Ok(id)
            }
            (None, OpenMode::CreateNew | OpenMode::CreateOrTruncate) => {
                self.folder(parent(path))?;
                let id = self.add(Node::File(FileImages::default()));
                self.folder(parent(path))?.set(name(path)?, id);
                Ok(id)
            }
        }
    }

    pub(super) fn list(&mut self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let names: Vec<_> = self.folder(dir)?.names().map(|(name, node)| (name.clone(), node)).collect();
        let is_dir = |node: NodeId| matches!(self.nodes.get(node.0), Some(Node::Folder(_)));
        Ok(names.into_iter().map(|(name, node)| DirEntry { name, is_dir: is_dir(node) }).collect())
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        if self.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.folder(parent(path))?;
        let id = self.add(Node::Folder(FolderImages::default()));
        self.folder(parent(path))?.set(name(path)?, id);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (old, new) = (name(from)?, name(to)?);
        if parent(from) == parent(to) {
            self.folder(parent(from))?.rename(old, new, node);
        } else {
            self.folder(parent(to))?.set(new, node);
            self.folder(parent(from))?.remove(old);
        }
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.file_at(path)?;
        self.folder(parent(path))?.remove(name(path)?);
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        if !self.folder(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.folder(parent(path))?.remove(name(path)?);
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.folder(dir)?.sync();
        Ok(())
    }

    pub(super) fn lock(&mut self, path: &Path) -> io::Result<()> {
        if self.find(path).is_err() {
            self.open(path, OpenMode::CreateNew)?;
        }
        if self.locks.insert(path.to_owned()) { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    pub(super) fn unlock(&mut self, path: &Path) {
        self.locks.remove(path);
    }

    /// Bytes taken by files that have a name.
    pub(super) fn used(&self) -> u64 {
        let folders = self.nodes.iter().filter_map(|node| match node {
            Node::Folder(folder) => Some(folder),
            Node::File(_) => None,
        });
        let named: BTreeSet<NodeId> =
            folders.flat_map(|folder| folder.names().map(|(_, node)| node)).collect();
        let sizes = named.into_iter().filter_map(|id| match self.nodes.get(id.0)? {
            Node::File(file) => Some(file.len().max(file.reserved).div_ceil(BLOCK) * BLOCK),
            Node::Folder(_) => None,
        });
        sizes.sum()
    }

    /// Makes room for a file up to `end`, or fails as a full disk does.
    pub(super) fn take_space(&mut self, id: NodeId, end: u64) -> io::Result<()> {
        let used = self.used();
        let capacity = self.capacity;
        let file = self.file(id);
        let has = file.len().max(file.reserved).div_ceil(BLOCK) * BLOCK;
        let more = (end.div_ceil(BLOCK) * BLOCK).saturating_sub(has);
        if more > 0 && capacity < used.saturating_add(more) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.reserved = file.reserved.max(end);
        Ok(())
    }

    pub(super) fn install(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
        folders.reverse();
        for folder in folders {
            if self.find(folder).is_err() {
                self.create_dir(folder)?;
                self.sync_dir(parent(folder))?;
            }
        }
        let id = self.open(path, OpenMode::CreateOrTruncate)?;
        *self.file(id) = FileImages::settled(content.to_vec());
        self.sync_dir(parent(path))
    }

    pub(super) fn uninstall(&mut self, path: &Path) -> io::Result<()> {
        self.remove_file(path)?;
        self.sync_dir(parent(path))
    }

    pub(super) fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut open = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, id)) = open.pop() {
            match self.nodes.get(id.0) {
                Some(Node::Folder(folder)) => {
                    open.extend(folder.names().map(|(name, node)| (path.join(name), node)));
                }
                Some(Node::File(file)) => files.push((path, file.cached.clone())),
                None => {}
            }
        }
        files.sort();
        files
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn name(path: &Path) -> io::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
