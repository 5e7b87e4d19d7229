// A CSI driver that keeps volumes as folders, with all that stands beside a driver in a cluster: the provisioner
// and the snapshot controllers. One process is one driver in one cluster; any number run side by side, with
// drivers, clusters and roots of their own or the same ones. This file only reads flags and starts the rest.
//
// It is a module apart from the control plane's: what it requires would pull etcd and the API server to other
// versions, and a change here must not have a hundred megabytes linked anew.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	snapshotapi "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	snapshotscheme "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned/scheme"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
)

// settings are the flags.
type settings struct {
	kubeconfig string
	root       string
	socket     string
	driver     string
	timeout    time.Duration
}

// cluster is the API server, as the controllers see it.
type cluster struct {
	kube      kubernetes.Interface
	snapshots snapshotapi.Interface
}

func main() {
	var set settings
	flag.StringVar(&set.kubeconfig, "kubeconfig", "", "The cluster, and who speaks to it.")
	flag.StringVar(&set.root, "root", "", "The folder that holds volumes, snapshots and switches.")
	flag.StringVar(&set.socket, "socket", "", "The Unix socket to serve CSI on; its path has at most 107 bytes.")
	flag.StringVar(&set.driver, "driver", "folders.csi.tests.trysail.dev", "The driver's name.")
	flag.DurationVar(&set.timeout, "timeout", 5*time.Second, "How long a call to the driver may take.")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, set); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, set settings) error {
	there, err := connect(set.kubeconfig)
	if err != nil {
		return err
	}
	drive, err := newDriver(set.driver, set.root)
	if err != nil {
		return err
	}
	if err := drive.serve(ctx, set.socket); err != nil {
		return err
	}
	conn, err := dial(ctx, set)
	if err != nil {
		return err
	}
	defer conn.Close()

	var all sync.WaitGroup
	all.Go(func() { leadSnapshots(ctx, there) })
	sidecarSynced := startSidecar(ctx, &all, there, conn, set)
	provisionerSynced := startProvisioner(ctx, &all, there, conn, set)
	if sidecarSynced() && provisionerSynced() {
		fmt.Println("ready") // whoever started us waits for this line
	}
	<-ctx.Done()
	all.Wait()
	return nil
}

func connect(kubeconfig string) (cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return cluster{}, err
	}
	config.QPS, config.Burst = 1000, 1000 // at the default of 5, a few dozen claims take minutes
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return cluster{}, err
	}
	snapshots, err := snapshotapi.NewForConfig(config)
	if err != nil {
		return cluster{}, err
	}
	// The controllers write events about snapshots, with this scheme.
	return cluster{kube, snapshots}, snapshotscheme.AddToScheme(scheme.Scheme)
}
