#!/bin/sh
# The whole story on an embedded cluster: a folder of YAML that is read as one, a folder as the store, and an EC2 in
# miniature for the disks.
set -eu

cd "$(dirname "$0")/.."
policy=examples/policies/demo/shop.yaml
cluster=.demo/cluster
rm -rf .demo
mkdir .demo
cp -r examples/clusters/shop "$cluster"

export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_EC2_METADATA_DISABLED=true
AWS_ENDPOINT_URL_EC2=$(python examples/demo_cloud.py start "$cluster" .demo)
export AWS_ENDPOINT_URL_EC2
trap 'python examples/demo_cloud.py stop "$cluster" .demo' EXIT

step() {
    printf '\n\033[1m── %s\033[0m\n' "$1"
    shift
    printf '\033[2m$ %s\033[0m\n\n' "$*"
    "$@"
}

step 'A policy is committed to git. Does it hold?' \
    trysail validate "$policy"
step 'What exactly would a backup store, and what becomes of each volume? This is what people review in a pull request.' \
    trysail plan -f "$policy" --manifests "$cluster" --out .demo/plan.json

step 'Do exactly that, and nothing else.' \
    trysail run .demo/plan.json -f "$policy" --manifests "$cluster"
step 'What is there now?' \
    trysail list -f "$policy"
step 'Is every byte and every item of it as it was recorded?' \
    trysail verify latest -f "$policy"
step 'What in the cluster does no policy protect?' \
    sh -c "trysail coverage -f $policy --manifests $cluster || true"
step 'One object of it, by a range read of the archive.' \
    trysail get latest configmaps/nginx-conf -n shop-prod -f "$policy"
step 'A disaster: the namespace of the shop is gone …' \
    rm -r "$cluster/shop-prod"
step '… its disks with it, as their storage class wants it …' \
    python examples/demo_cloud.py destroy "$cluster" .demo
step '… and somebody has "mended" what is left of it by hand.' \
    sed -i.bak 's/replicas: 1/replicas: 7/' "$cluster/shop-staging/web.yaml"
rm "$cluster/shop-staging/web.yaml.bak"
step 'What is otherwise than it was stored?' \
    sh -c "trysail diff latest -f $policy --manifests $cluster -n shop-staging || true"
step 'What exactly would a restore do? Nothing is changed before somebody has read it.' \
    trysail restore latest -f "$policy" --manifests "$cluster" --existing-resource-policy update \
    --diff --out .demo/restore.json
step 'Do exactly that, and nothing else. What it overwrites is saved first, and Postgres gets its data back.' \
    trysail restore .demo/restore.json --manifests "$cluster"
step 'Is all of it there? A second restore finds nothing to do.' \
    trysail restore latest -f "$policy" --manifests "$cluster" --plan

step 'On the day when everything else is gone, the bucket alone is enough …' \
    trysail describe latest --location .demo/backups
step '… and so is tar.' \
    sh -c 'tar tzf .demo/backups/demo/shop/*/k8s-objects.tar.gz | head -n 12'
