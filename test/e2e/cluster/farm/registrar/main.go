// Stands in for node-driver-registrar, which the module proxy does not serve: it answers kubelet's plugin watcher with
// the name that the driver gives itself. It takes that program's arguments, so that manifests need no change.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type registrar struct {
	registration.UnimplementedRegistrationServer
	name, endpoint string
}

func (r *registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: r.name, Endpoint: r.endpoint, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r *registrar) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatalf("kubelet refused driver %s: %s", r.name, status.Error)
	}
	log.Printf("driver %s is registered", r.name)
	return &registration.RegistrationStatusResponse{}, nil
}

func driverName(address string) string {
	connection, err := grpc.NewClient("unix:"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	deadline, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	info, err := csi.NewIdentityClient(connection).GetPluginInfo(deadline, &csi.GetPluginInfoRequest{}, grpc.WaitForReady(true))
	if err != nil {
		log.Fatalf("driver at %s: %v", address, err)
	}
	return info.GetName()
}

func main() {
	address := flag.String("csi-address", "/run/csi/socket", "the driver's socket, as seen from here")
	endpoint := flag.String("kubelet-registration-path", "", "the driver's socket, as seen from kubelet")
	folder := flag.String("plugin-registration-path", "/registration", "where kubelet looks for plugins")
	flag.Duration("timeout", time.Minute, "not used here")
	flag.Int("http-port", 0, "not used here")
	flag.String("http-endpoint", "", "not used here")
	flag.Int("v", 0, "not used here")
	flag.Parse()

	name := driverName(*address)
	socket := filepath.Join(*folder, name+"-reg.sock")
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, &registrar{name: name, endpoint: *endpoint})
	log.Printf("driver %s waits for kubelet at %s", name, socket)
	log.Fatal(server.Serve(listener))
}
