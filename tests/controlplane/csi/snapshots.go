// The snapshot controllers, both upstream's: the common one, of which a cluster has one, makes contents for
// snapshots and binds them; the sidecar, of which a driver has one, asks the driver. This file only starts them,
// and retries sooner than upstream would, whose waits grow to minutes.

package main

import (
	"context"
	"os"
	"strconv"
	"sync"
	"time"

	snapshotinformers "github.com/kubernetes-csi/external-snapshotter/client/v8/informers/externalversions"
	common "github.com/kubernetes-csi/external-snapshotter/v8/pkg/common-controller"
	"github.com/kubernetes-csi/external-snapshotter/v8/pkg/metrics"
	sidecar "github.com/kubernetes-csi/external-snapshotter/v8/pkg/sidecar-controller"
	"github.com/kubernetes-csi/external-snapshotter/v8/pkg/snapshotter"
	"google.golang.org/grpc"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	workers = 10
	resync  = 15 * time.Minute
)

// leadSnapshots runs the common controller until ctx ends, while no other process in the cluster does: there are
// as many processes as drivers, and two common controllers would undo each other's work.
func leadSnapshots(ctx context.Context, there cluster) {
	lease := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "snapshot-controller-leader"},
		Client:     there.kube.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: "csi-" + strconv.Itoa(os.Getpid())},
	}
	for ctx.Err() == nil { // an API server that was away long has cost us the lease
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock:            lease,
			LeaseDuration:   15 * time.Second,
			RenewDeadline:   10 * time.Second,
			RetryPeriod:     200 * time.Millisecond,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(leading context.Context) { runCommon(leading, there) },
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			klog.Fatal(err)
		}
		elector.Run(ctx)
	}
}

func runCommon(ctx context.Context, there cluster) {
	snapshots := snapshotinformers.NewSharedInformerFactory(there.snapshots, resync)
	core := informers.NewSharedInformerFactory(there.kube, resync)
	kinds := snapshots.Snapshot().V1()
	controller := common.NewCSISnapshotCommonController(
		there.snapshots, there.kube,
		kinds.VolumeSnapshots(), kinds.VolumeSnapshotContents(), kinds.VolumeSnapshotClasses(),
		nil, nil, nil, // groups
		core.Core().V1().PersistentVolumeClaims(), core.Core().V1().PersistentVolumes(),
		nil, // nodes
		metrics.NewMetricsManager(), resync, soon(), soon(), soon(), soon(),
		false, // not one sidecar per node
		true,  // a snapshot of a block device is not restored as a file system
		false, // groups
	)
	snapshots.Start(ctx.Done())
	core.Start(ctx.Done())
	controller.Run(workers, ctx.Done(), &sync.WaitGroup{})
}

// startSidecar runs the driver's controller in the background, and returns what waits until it knows the cluster.
func startSidecar(
	ctx context.Context, all *sync.WaitGroup, there cluster, conn *grpc.ClientConn, set settings,
) func() bool {
	snapshots := snapshotinformers.NewSharedInformerFactory(there.snapshots, resync)
	kinds := snapshots.Snapshot().V1()
	controller := sidecar.NewCSISnapshotSideCarController(
		there.snapshots, there.kube, set.driver, kinds.VolumeSnapshotContents(), kinds.VolumeSnapshotClasses(),
		snapshotter.NewSnapshotter(conn), nil, set.timeout, resync, "snapshot", -1, "groupsnapshot", -1,
		false, // snapshots' names are not told to the driver
		soon(), false, nil, nil, soon(),
	)
	snapshots.Start(ctx.Done())
	all.Go(func() { controller.Run(workers, ctx.Done(), &sync.WaitGroup{}) })
	return func() bool { return synced(snapshots.WaitForCacheSync(ctx.Done())) }
}

// soon is when to try again: after 100 ms, and never later than after a second.
func soon() workqueue.TypedRateLimiter[string] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[string](100*time.Millisecond, time.Second)
}

func synced[K comparable](informers map[K]bool) bool {
	for _, done := range informers {
		if !done {
			return false
		}
	}
	return true
}
