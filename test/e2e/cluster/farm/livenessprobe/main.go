// Stands in for livenessprobe, which the module proxy does not serve: GET /healthz asks the driver's Probe. It takes
// that program's arguments, so that manifests need no change.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	address := flag.String("csi-address", "/run/csi/socket", "the driver's socket")
	patience := flag.Duration("probe-timeout", time.Second, "how long an answer may take")
	port := flag.String("health-port", "9808", "where /healthz is served, unless http-endpoint says")
	endpoint := flag.String("http-endpoint", "", "where /healthz is served, as host:port")
	flag.String("metrics-address", "", "not used here")
	flag.Int("v", 0, "not used here")
	flag.Parse()

	connection, err := grpc.NewClient("unix:"+*address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	identity := csi.NewIdentityClient(connection)
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, request *http.Request) {
		deadline, cancel := context.WithTimeout(request.Context(), *patience)
		defer cancel()
		status, err := identity.Probe(deadline, &csi.ProbeRequest{})
		switch {
		case err != nil:
			log.Printf("probe: %v", err)
			http.Error(answer, err.Error(), http.StatusInternalServerError)
		case status.GetReady() != nil && !status.GetReady().GetValue():
			log.Print("probe: the driver is not ready")
			http.Error(answer, "not ready", http.StatusInternalServerError)
		default:
			fmt.Fprintln(answer, "ok")
		}
	})
	where := *endpoint
	if where == "" {
		where = ":" + *port
	}
	log.Fatal(http.ListenAndServe(where, nil))
}
