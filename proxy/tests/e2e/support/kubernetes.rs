//! A cluster as weir's own processes see it: the test API server on a port, and a kubeconfig for it.

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;
use weir_storage::index::{ClusterObject, ObjectKey};

use crate::api_server::{ApiServer, Behaviour};

/// A cluster with nothing in it but what a test puts there. Dropping it ends it.
pub(crate) struct Kubernetes {
    server: ApiServer,
    /// The server's tasks run here.
    _runtime: Runtime,
    pub(crate) kubeconfig: PathBuf,
}

impl Kubernetes {
    /// Starts one; its kubeconfig is called after it and lies in the directory.
    pub(crate) fn start(directory: &Path, name: &str, behaviour: Behaviour) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(ApiServer::start(behaviour));
        let kubeconfig = directory.join(format!("{name}.kubeconfig"));
        std::fs::write(&kubeconfig, server.kubeconfig()).unwrap();
        Self { server, _runtime: runtime, kubeconfig }
    }

    /// Puts objects into the cluster.
    pub(crate) fn put(&self, objects: impl IntoIterator<Item = ClusterObject>) {
        self.server.change(|store| objects.into_iter().for_each(|object| store.put(object)));
    }

    /// Takes one out of it.
    pub(crate) fn delete(&self, key: &ObjectKey) {
        self.server.change(|store| store.delete(key));
    }
}
