// The provisioner: it makes volumes for claims, and takes volumes away when nobody claims them any more. It does
// what the external provisioner does with a driver like ours, down to annotations and finalizers; it looks
// at the API server itself before it acts, and the informers only tell it when.

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-lib-utils/connection"
	"github.com/kubernetes-csi/csi-lib-utils/rpc"
	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	forDriver     = "volume.kubernetes.io/storage-provisioner" // on claims, by the controller manager
	forNode       = "volume.kubernetes.io/selected-node"       // on claims, by the scheduler
	provisionedBy = "pv.kubernetes.io/provisioned-by"          // on volumes, else the controller manager fails them
	finalizer     = "external-provisioner.volume.kubernetes.io/finalizer"
	snapshotGroup = "snapshot.storage.k8s.io"
)

type provisioner struct {
	cluster
	driver  string
	storage csi.ControllerClient
	timeout time.Duration
	events  record.EventRecorder
	queue   workqueue.TypedRateLimitingInterface[work]
}

// work is a claim, or a volume, which has no namespace.
type work struct{ namespace, name string }

// dial connects to the driver, and waits until it answers.
func dial(ctx context.Context, set settings) (*grpc.ClientConn, error) {
	conn, err := connection.Connect(ctx, set.socket, nil)
	if err != nil {
		return nil, err
	}
	return conn, rpc.ProbeForever(ctx, conn, set.timeout)
}

// startProvisioner works in the background, and returns what waits until it knows the cluster.
func startProvisioner(
	ctx context.Context, all *sync.WaitGroup, there cluster, conn *grpc.ClientConn, set settings,
) func() bool {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: there.kube.CoreV1().Events("")})
	limit := workqueue.NewTypedItemExponentialFailureRateLimiter[work](100*time.Millisecond, time.Second)
	p := &provisioner{
		cluster: there,
		driver:  set.driver,
		storage: csi.NewControllerClient(conn),
		timeout: set.timeout,
		events:  broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: set.driver}),
		queue:   workqueue.NewTypedRateLimitingQueue(limit),
	}
	factory := informers.NewSharedInformerFactory(there.kube, resync)
	enqueue := func(object any) {
		if one, ok := object.(metav1.Object); ok {
			p.queue.Add(work{one.GetNamespace(), one.GetName()})
		}
	}
	changes := cache.ResourceEventHandlerFuncs{AddFunc: enqueue, UpdateFunc: func(_, now any) { enqueue(now) }}
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().PersistentVolumeClaims().Informer(), factory.Core().V1().PersistentVolumes().Informer(),
	} {
		if _, err := informer.AddEventHandler(changes); err != nil {
			klog.Fatal(err)
		}
	}
	factory.Start(ctx.Done())
	context.AfterFunc(ctx, p.queue.ShutDown)
	for range workers {
		all.Go(func() {
			for p.next(ctx) {
			}
		})
	}
	return func() bool { return synced(factory.WaitForCacheSync(ctx.Done())) }
}

// next does one piece of work, and again later what fails; false means that there will be no more.
func (p *provisioner) next(ctx context.Context) bool {
	one, end := p.queue.Get()
	if end {
		return false
	}
	defer p.queue.Done(one)
	var err error
	if one.namespace == "" {
		err = p.reclaim(ctx, one.name)
	} else {
		err = p.provision(ctx, one.namespace, one.name)
	}
	if err != nil {
		klog.Errorf("%s/%s: %v", one.namespace, one.name, err)
		p.queue.AddRateLimited(one)
	} else {
		p.queue.Forget(one)
	}
	return true
}

// provision makes a volume for the claim, if it is for us and has none.
func (p *provisioner) provision(ctx context.Context, namespace, name string) error {
	claim, err := p.kube.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	ours := claim.Annotations[forDriver] == p.driver && claim.Spec.StorageClassName != nil
	if !ours || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return nil
	}
	class, err := p.kube.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	mode := class.VolumeBindingMode
	if mode != nil && *mode == storagev1.VolumeBindingWaitForFirstConsumer && claim.Annotations[forNode] == "" {
		return nil
	}
	if err := p.make(ctx, claim, class); err != nil {
		p.events.Event(claim, v1.EventTypeWarning, "ProvisioningFailed", err.Error())
		return err
	}
	return nil
}

func (p *provisioner) make(ctx context.Context, claim *v1.PersistentVolumeClaim, class *storagev1.StorageClass) error {
	source, err := p.source(ctx, claim)
	if err != nil {
		return err
	}
	request := claim.Spec.Resources.Requests[v1.ResourceStorage]
	calling, done := context.WithTimeout(ctx, p.timeout)
	defer done()
	name := "pvc-" + string(claim.UID)
	made, err := p.storage.CreateVolume(calling, &csi.CreateVolumeRequest{
		Name:                name,
		CapacityRange:       &csi.CapacityRange{RequiredBytes: request.Value()},
		Parameters:          class.Parameters,
		VolumeContentSource: source,
	})
	if err != nil {
		return err
	}
	volume := persistentVolume(name, claim, class, p.driver, made.GetVolume())
	_, err = p.kube.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // the claim was not bound yet when we looked
		return nil
	}
	return err
}

// source is the snapshot that the claim wants to begin as, once that is ready, or nil when it wants none.
func (p *provisioner) source(ctx context.Context, claim *v1.PersistentVolumeClaim) (*csi.VolumeContentSource, error) {
	from := claim.Spec.DataSource
	if from == nil {
		return nil, nil
	}
	if from.Kind != "VolumeSnapshot" || from.APIGroup == nil || *from.APIGroup != snapshotGroup {
		return nil, fmt.Errorf("a volume cannot begin as a %s", from.Kind)
	}
	snapshot, err := p.snapshots.SnapshotV1().VolumeSnapshots(claim.Namespace).Get(ctx, from.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	now := snapshot.Status
	if now == nil || now.BoundVolumeSnapshotContentName == nil || now.ReadyToUse == nil || !*now.ReadyToUse {
		return nil, fmt.Errorf("the snapshot %s is not ready", from.Name)
	}
	bound := *now.BoundVolumeSnapshotContentName
	content, err := p.snapshots.SnapshotV1().VolumeSnapshotContents().Get(ctx, bound, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if content.Spec.Driver != p.driver || content.Status == nil || content.Status.SnapshotHandle == nil {
		return nil, fmt.Errorf("the snapshot %s has no handle of %s", from.Name, p.driver)
	}
	id := &csi.VolumeContentSource_SnapshotSource{SnapshotId: *content.Status.SnapshotHandle}
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{Snapshot: id}}, nil
}

func persistentVolume(
	name string, claim *v1.PersistentVolumeClaim, class *storagev1.StorageClass, driver string, made *csi.Volume,
) *v1.PersistentVolume {
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: driver}},
		Spec: v1.PersistentVolumeSpec{
			Capacity: v1.ResourceList{
				v1.ResourceStorage: *resource.NewQuantity(made.GetCapacityBytes(), resource.BinarySI),
			},
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			MountOptions:                  class.MountOptions,
			StorageClassName:              class.Name,
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			ClaimRef: &v1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{
				Driver: driver, VolumeHandle: made.GetVolumeId(), VolumeAttributes: made.GetVolumeContext(),
			}},
		},
	}
	if *class.ReclaimPolicy == v1.PersistentVolumeReclaimDelete {
		volume.Finalizers = []string{finalizer}
	}
	return volume
}

// reclaim takes the volume away with its bytes, if it is ours, its policy says so, and nobody claims it any more.
func (p *provisioner) reclaim(ctx context.Context, name string) error {
	volumes := p.kube.CoreV1().PersistentVolumes()
	volume, err := volumes.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if volume.Spec.CSI == nil || volume.Spec.CSI.Driver != p.driver {
		return nil
	}
	if volume.Spec.PersistentVolumeReclaimPolicy != v1.PersistentVolumeReclaimDelete {
		return p.letGo(ctx, volume)
	}
	phase := volume.Status.Phase
	if phase != v1.VolumeReleased && (volume.DeletionTimestamp == nil || phase == v1.VolumeBound) {
		return nil
	}
	calling, done := context.WithTimeout(ctx, p.timeout)
	defer done()
	handle := volume.Spec.CSI.VolumeHandle
	if _, err := p.storage.DeleteVolume(calling, &csi.DeleteVolumeRequest{VolumeId: handle}); err != nil {
		p.events.Event(volume, v1.EventTypeWarning, "VolumeFailedDelete", err.Error())
		return err
	}
	same := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &volume.UID}}
	if err := volumes.Delete(ctx, name, same); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if volume, err = volumes.Get(ctx, name, metav1.GetOptions{}); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	return p.letGo(ctx, volume)
}

// letGo takes our finalizer off the volume.
func (p *provisioner) letGo(ctx context.Context, volume *v1.PersistentVolume) error {
	if !slices.Contains(volume.Finalizers, finalizer) {
		return nil
	}
	volume.Finalizers = slices.DeleteFunc(volume.Finalizers, func(one string) bool { return one == finalizer })
	_, err := p.kube.CoreV1().PersistentVolumes().Update(ctx, volume, metav1.UpdateOptions{})
	return err
}
