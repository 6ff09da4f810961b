#!/bin/bash
# certificates.sh <folder> <node>=<address>...: a throw-away certificate authority, what each part of the cluster
# shows to the others, and kubeconfigs. Whoever has the folder has the cluster.
set -euo pipefail
folder=$1
shift
mkdir -p "$folder"
cd "$folder"
server=https://10.77.0.1:443

private_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# issue <file> <subject> <usage> [names]
issue() {
  private_key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  {
    echo "basicConstraints=CA:FALSE"
    echo "keyUsage=digitalSignature,keyEncipherment"
    echo "extendedKeyUsage=$3"
    [ -z "${4:-}" ] || echo "subjectAltName=$4"
  } >"$1.extensions"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile "$1.extensions" \
    -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.extensions"
}

# client <file> <subject>: a client's certificate, and a kubeconfig that carries it.
client() {
  issue "$1" "$2" clientAuth
  cat >"$1.kubeconfig" <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "$server", certificate-authority: "$PWD/ca.crt"}}]
users: [{name: "$1", user: {client-certificate: "$PWD/$1.crt", client-key: "$PWD/$1.key"}}]
contexts: [{name: test, context: {cluster: test, user: "$1"}}]
current-context: test
CONFIG
}

private_key ca
openssl req -x509 -new -key ca.key -subj /CN=test-cluster -days 3650 -out ca.crt \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
issue apiserver /CN=kube-apiserver serverAuth \
  "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:10.77.0.1,IP:10.96.0.1"
issue apiserver-to-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
client admin /O=system:masters/CN=admin
client controller-manager /CN=system:kube-controller-manager
client scheduler /CN=system:kube-scheduler
for node in "$@"; do
  name=${node%%=*}
  client "$name" "/O=system:nodes/CN=system:node:$name"
  issue "$name-serving" "/O=system:nodes/CN=system:node:$name" serverAuth "DNS:$name,IP:${node#*=}"
done
openssl genrsa -out service-accounts.key 2048 2>/dev/null
openssl rsa -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null
