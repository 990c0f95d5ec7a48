package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

func (a *app) infoCommand() *cobra.Command {
	var output string

	command := &cobra.Command{
		Use:   "info",
		Short: "Show where the daemon finds and keeps things, and what it takes of the host",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := checkOutput(output, outputTable, outputJSON, outputYAML); err != nil {
				return err
			}

			return a.ask(func(client *api.Client) error {
				ctx, cancel := context.WithTimeout(command.Context(), patience)
				defer cancel()

				response, err := client.Extactor.Info(ctx, &apiv1.InfoRequest{})
				if err != nil {
					return err
				}

				a.clockOf(response.GetNow())

				return a.showInfo(response, output)
			})
		},
	}

	command.Flags().StringVarP(&output, "output", "o", outputTable, "table, json or yaml")
	completeOutput(command, outputTable, outputJSON, outputYAML)

	return a.asks(command)
}

func (a *app) showInfo(info *apiv1.InfoResponse, output string) error {
	switch output {
	case outputJSON:
		return writeJSON(a.stdout, infoOf(info), "  ")
	case outputYAML:
		return writeYAML(a.stdout, infoOf(info))
	}

	places, usage := info.GetPlaces(), info.GetUsage()

	containerd := places.GetContainerd()
	if places.GetEmbedded() {
		containerd += " (extactor's own)"
	}

	(&table{out: a.stdout}).write(
		plain("VERSION", info.GetVersion()),
		plain("PID", fmt.Sprint(info.GetPid())),
		plain("STARTED", timestamp(info.GetStarted())+" ("+a.clock().ago(info.GetStarted())+")"),
		plain("INSTANCE", info.GetInstance()),
		plain("SERVICES", places.GetServices()),
		plain("ROOTFS", places.GetRootfs()),
		plain("CONFIG", places.GetConfig()),
		plain("STATE", places.GetState()),
		plain("RUN", places.GetRun()),
		plain("LISTEN", listening(places)),
		plain("CONTAINERD", containerd),
		plain("NAMESPACE", places.GetNamespace()),
		plain("CGROUP", places.GetCgroup()),
		plain("OCI RUNTIME", places.GetOciRuntime()),
		plain("MEMORY", fmt.Sprintf("%s resident, %s of it on the heap", mebibytes(usage.GetResidentBytes()), mebibytes(usage.GetHeapBytes()))),
		plain("GOROUTINES", fmt.Sprintf("%d on %d threads", usage.GetGoroutines(), usage.GetThreads())),
		plain("DESCRIPTORS", fmt.Sprint(usage.GetDescriptors())),
	)

	return nil
}

// listening are the addresses on which the network is served, why it is not served on others, and what is wrong with it.
func listening(places *apiv1.Places) string {
	where := "nowhere on the network"
	if len(places.GetListen()) > 0 {
		where = strings.Join(places.GetListen(), ", ")
	}

	return strings.Join(append([]string{where}, places.GetListenProblems()...), "; ")
}

func mebibytes(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// infoDocument is `extactor info -o json`.
type infoDocument struct {
	APIVersion string         `json:"apiVersion"`
	Version    string         `json:"version"`
	PID        uint32         `json:"pid"`
	Started    *string        `json:"started"`
	Instance   string         `json:"instance"`
	Places     placesDocument `json:"places"`
	Usage      usageDocument  `json:"usage"`
}

type placesDocument struct {
	Services   string   `json:"services"`
	Rootfs     string   `json:"rootfs"`
	Config     string   `json:"config"`
	State      string   `json:"state"`
	Run        string   `json:"run"`
	Containerd string   `json:"containerd"`
	Embedded   bool     `json:"embedded"`
	Namespace  string   `json:"namespace"`
	Cgroup     string   `json:"cgroup"`
	OCIRuntime string   `json:"ociRuntime"`
	Listen     []string `json:"listen"`
	NotYet     []string `json:"listenProblems"`
}

type usageDocument struct {
	ResidentBytes uint64 `json:"residentBytes"`
	HeapBytes     uint64 `json:"heapBytes"`
	Goroutines    uint32 `json:"goroutines"`
	Threads       uint32 `json:"threads"`
	Descriptors   uint32 `json:"descriptors"`
}

func infoOf(info *apiv1.InfoResponse) infoDocument {
	places, usage := info.GetPlaces(), info.GetUsage()

	return infoDocument{
		APIVersion: apiVersion, Version: info.GetVersion(), PID: info.GetPid(), Started: optionalTime(info.GetStarted()),
		Instance: info.GetInstance(),
		Places: placesDocument{
			Services: places.GetServices(), Rootfs: places.GetRootfs(), Config: places.GetConfig(), State: places.GetState(),
			Run: places.GetRun(), Containerd: places.GetContainerd(), Embedded: places.GetEmbedded(),
			Namespace: places.GetNamespace(), Cgroup: places.GetCgroup(), OCIRuntime: places.GetOciRuntime(),
			Listen: append([]string{}, places.GetListen()...), NotYet: append([]string{}, places.GetListenProblems()...),
		},
		Usage: usageDocument{
			ResidentBytes: usage.GetResidentBytes(), HeapBytes: usage.GetHeapBytes(), Goroutines: usage.GetGoroutines(),
			Threads: usage.GetThreads(), Descriptors: usage.GetDescriptors(),
		},
	}
}
