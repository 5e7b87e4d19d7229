// The CSI driver: the identity and controller services, over the folders, as the specification wants them. There
// is no node service, for nothing is ever mounted: a test reads and writes the folder itself.

package main

import (
	"context"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const defaultSize = 1 << 30

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer

	name      string
	switches  switches
	volumes   *shelf
	snapshots *shelf
}

func newDriver(name, root string) (*driver, error) {
	volumes, err := newShelf(filepath.Join(root, "volumes"), "vol")
	if err != nil {
		return nil, err
	}
	snapshots, err := newShelf(filepath.Join(root, "snapshots"), "snap")
	if err != nil {
		return nil, err
	}
	toggles := switches{filepath.Join(root, "switches")}
	return &driver{name: name, switches: toggles, volumes: volumes, snapshots: snapshots}, nil
}

// serve listens, and goes on in the background until ctx ends.
func (d *driver) serve(ctx context.Context, socket string) error {
	if err := os.RemoveAll(socket); err != nil { // of a process that was killed
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, d)
	csi.RegisterControllerServer(server, d)
	go server.Serve(listener)
	context.AfterFunc(ctx, server.Stop)
	return nil
}

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: "1"}, nil
}

func (d *driver) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	service := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	controller := &csi.PluginCapability{Type: &csi.PluginCapability_Service_{Service: service}}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{controller}}, nil
}

func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

func (d *driver) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	answer := &csi.ControllerGetCapabilitiesResponse{}
	for _, can := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		// Without it the snapshot controller believes that any handle it is given is there.
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
	} {
		rpc := &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: can}}
		answer.Capabilities = append(answer.Capabilities, &csi.ControllerServiceCapability{Type: rpc})
	}
	return answer, nil
}

func (d *driver) CreateVolume(ctx context.Context, asked *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	source := asked.GetVolumeContentSource().GetSnapshot().GetSnapshotId()
	if err := d.switches.obey(ctx, d.volumes.handle(asked.GetName()), source); err != nil {
		return nil, err
	}
	size, bytes := max(asked.GetCapacityRange().GetRequiredBytes(), 0), ""
	if source != "" {
		snapshot, err := d.snapshots.find(source)
		switch {
		case err != nil:
			return nil, err
		case snapshot == nil:
			return nil, status.Errorf(codes.NotFound, "there is no snapshot %s", source)
		case !d.switches.ready(*snapshot):
			return nil, status.Errorf(codes.Unavailable, "the snapshot %s is not ready", source)
		case size == 0:
			size = snapshot.Size
		case size < snapshot.Size:
			return nil, status.Errorf(codes.OutOfRange, "the snapshot %s has %d bytes", source, snapshot.Size)
		}
		bytes = d.snapshots.path(source)
	} else if size == 0 {
		size = defaultSize
	}
	volume, err := d.volumes.keep(thing{Name: asked.GetName(), Source: source, Size: size}, bytes)
	if err != nil {
		return nil, err
	}
	if volume.Source != source || volume.Size != size {
		return nil, status.Errorf(codes.AlreadyExists, "the volume %s is another one", asked.GetName())
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId:      volume.ID,
		CapacityBytes: volume.Size,
		ContentSource: asked.GetVolumeContentSource(),
		VolumeContext: map[string]string{"folder": volume.ID},
	}}, nil
}

func (d *driver) DeleteVolume(ctx context.Context, asked *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if err := d.switches.obey(ctx, asked.GetVolumeId()); err != nil {
		return nil, err
	}
	return &csi.DeleteVolumeResponse{}, d.volumes.remove(asked.GetVolumeId())
}

func (d *driver) CreateSnapshot(
	ctx context.Context, asked *csi.CreateSnapshotRequest,
) (*csi.CreateSnapshotResponse, error) {
	source := asked.GetSourceVolumeId()
	if err := d.switches.obey(ctx, d.snapshots.handle(asked.GetName()), source); err != nil {
		return nil, err
	}
	volume, err := d.volumes.find(source)
	if err != nil {
		return nil, err
	}
	if volume == nil {
		return nil, status.Errorf(codes.NotFound, "there is no volume %s", source)
	}
	wanted := thing{Name: asked.GetName(), Source: source, Size: volume.Size}
	snapshot, err := d.snapshots.keep(wanted, d.volumes.path(source))
	if err != nil {
		return nil, err
	}
	if snapshot.Source != source {
		return nil, status.Errorf(codes.AlreadyExists, "the snapshot %s is of %s", asked.GetName(), snapshot.Source)
	}
	return &csi.CreateSnapshotResponse{Snapshot: d.told(*snapshot)}, nil
}

func (d *driver) DeleteSnapshot(
	ctx context.Context, asked *csi.DeleteSnapshotRequest,
) (*csi.DeleteSnapshotResponse, error) {
	if err := d.switches.obey(ctx, asked.GetSnapshotId()); err != nil {
		return nil, err
	}
	return &csi.DeleteSnapshotResponse{}, d.snapshots.remove(asked.GetSnapshotId())
}

// ListSnapshots gives all in one page, and an empty one for a snapshot that is not there.
func (d *driver) ListSnapshots(
	ctx context.Context, asked *csi.ListSnapshotsRequest,
) (*csi.ListSnapshotsResponse, error) {
	id, source := asked.GetSnapshotId(), asked.GetSourceVolumeId()
	if err := d.switches.obey(ctx, id, source); err != nil {
		return nil, err
	}
	if asked.GetStartingToken() != "" {
		return nil, status.Error(codes.Aborted, "there is one page only")
	}
	snapshots, err := d.snapshots.all()
	if err != nil {
		return nil, err
	}
	answer := &csi.ListSnapshotsResponse{}
	for _, snapshot := range snapshots {
		if (id == "" || snapshot.ID == id) && (source == "" || snapshot.Source == source) {
			entry := &csi.ListSnapshotsResponse_Entry{Snapshot: d.told(snapshot)}
			answer.Entries = append(answer.Entries, entry)
		}
	}
	return answer, nil
}

func (d *driver) told(snapshot thing) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId:     snapshot.ID,
		SourceVolumeId: snapshot.Source,
		SizeBytes:      snapshot.Size,
		CreationTime:   timestamppb.New(snapshot.Made),
		ReadyToUse:     d.switches.ready(snapshot),
	}
}
