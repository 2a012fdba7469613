//! How a cluster's API server is reached.
//!
//! Owns the choice between the service account of the pod weir runs in and a kubeconfig, and the errors of either, which name
//! the file. Leaves the connection to `kube`, which re-reads a service account's token and authorities as they change.
//! Nothing is contacted here: the first request is the watch's.

use std::path::{Path, PathBuf};

use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use weir_config::Kubernetes;

/// Where a pod finds its service account, unless it is told not to mount it.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The variable that a pod finds its API server by.
const SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";

/// Why a cluster cannot be reached as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig cannot be read, or does not name a cluster and a user.
    #[error("kubeconfig {}: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// The cause; it names a certificate's or a token's file, where it is that.
        source: KubeconfigError,
    },
    /// The service account is mounted and incomplete.
    #[error("service account in {}: {source}", directory.display())]
    ServiceAccount {
        /// The directory.
        directory: PathBuf,
        /// The cause.
        source: InClusterError,
    },
    /// The certificates or credentials do not make a client.
    #[error("{}: {source}", path.display())]
    Credentials {
        /// The kubeconfig, or the directory of the service account.
        path: PathBuf,
        /// The cause.
        source: kube::Error,
    },
}

/// A client of the cluster; `None` where no cluster is to be watched.
pub async fn connect(kubernetes: &Kubernetes) -> Result<Option<Client>, ClientError> {
    match kubernetes {
        Kubernetes::Off => Ok(None),
        Kubernetes::Auto => in_cluster(std::env::var_os(SERVICE_HOST).is_some(), Path::new(SERVICE_ACCOUNT)),
        Kubernetes::Kubeconfig(path) => by_kubeconfig(path).await.map(Some),
    }
}

/// A pod without a mounted service account is in a cluster and may not ask it anything, which is as good as none.
fn in_cluster(has_server: bool, directory: &Path) -> Result<Option<Client>, ClientError> {
    if !has_server || !directory.join("token").is_file() {
        return Ok(None);
    }
    let config = Config::incluster_env()
        .map_err(|source| ClientError::ServiceAccount { directory: directory.to_owned(), source })?;
    client(config, directory).map(Some)
}

async fn by_kubeconfig(path: &Path) -> Result<Client, ClientError> {
    let wrong = |source| ClientError::Kubeconfig { path: path.to_owned(), source };
    let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(wrong)?;
    client(config, path)
}

fn client(mut config: Config, path: &Path) -> Result<Client, ClientError> {
    // The watch says what failed and when it tries again; a retry below it would only delay that.
    config.default_retry = false;
    Client::try_from(config).map_err(|source| ClientError::Credentials { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_name_the_file_and_the_cause() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        let refused = async || connect(&Kubernetes::Kubeconfig(path.clone())).await.err().unwrap().to_string();
        let absent = refused().await;
        assert!(absent.contains("kubeconfig") && absent.contains("No such file"), "{absent}");
        std::fs::write(&path, "clusters: 7").unwrap();
        assert!(refused().await.contains("kubeconfig YAML"), "{}", refused().await);
        let text = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n\
            clusters: [{name: a, cluster: {server: 'https://10.0.0.1', certificate-authority: nowhere.pem}}]\n\
            users: [{name: a, user: {token: t}}]\n";
        std::fs::write(&path, text).unwrap();
        assert!(refused().await.contains("nowhere.pem"), "{}", refused().await);
    }

    #[tokio::test]
    async fn outside_of_a_cluster_there_is_none() {
        let nowhere = tempfile::tempdir().unwrap();
        assert!(in_cluster(false, nowhere.path()).unwrap().is_none());
        assert!(in_cluster(true, nowhere.path()).unwrap().is_none(), "a pod without a service account");
        assert!(connect(&Kubernetes::Off).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_broken_service_account_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "t").unwrap();
        let error = in_cluster(true, directory.path()).err().unwrap().to_string();
        assert!(error.contains(directory.path().to_str().unwrap()), "{error}");
    }
}
