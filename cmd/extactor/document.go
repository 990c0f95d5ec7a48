package main

import (
	"encoding/json"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// apiVersion names the format of -o json and -o yaml. Fields are only ever added.
const apiVersion = "extactor.v1"

// statusDocument is `extactor status -o json`. The order of the fields is that of the output; lists are never null, and
// what is not there is null or zero, never left out.
type statusDocument struct {
	APIVersion string            `json:"apiVersion"`
	Node       string            `json:"node,omitempty"` // that was asked, where it is on the network
	Revision   uint64            `json:"revision"`
	Services   []serviceDocument `json:"services"`
	Removed    []string          `json:"removed,omitempty"` // with --watch only
	Problems   []problemDocument `json:"problems"`          // files that are not used as they are now
}

type serviceDocument struct {
	ID             string               `json:"id"`
	Desired        string               `json:"desired"`
	State          string               `json:"state"`
	Health         string               `json:"health"` // unknown | healthy | unhealthy
	HealthMessage  string               `json:"healthMessage"`
	Up             bool                 `json:"up"`        // those that depend on it may start
	Completed      bool                 `json:"completed"` // it has ended by itself and without error
	Attempt        uint64               `json:"attempt"`
	Restarts       uint64               `json:"restarts"`
	PID            uint32               `json:"pid"`
	Since          *string              `json:"since"`
	NextRetry      *string              `json:"nextRetry"`
	WaitingFor     []dependencyDocument `json:"waitingFor"`
	LastExit       *exitDocument        `json:"lastExit"`
	Problem        string               `json:"problem"`
	Source         string               `json:"source"`
	FileProblem    string               `json:"fileProblem"`    // why its changed file is not used
	Cycle          []string             `json:"cycle"`          // ids that wait for each other
	RestartPending bool                 `json:"restartPending"` // it runs with an older configuration
	Events         []lineDocument       `json:"events"`         // oldest first
}

type problemDocument struct {
	File      string   `json:"file"`
	Positions []string `json:"positions"` // "line:column", or what is wrong with the file as a whole
}

type dependencyDocument struct {
	Key   string  `json:"key"`
	Since *string `json:"since"`
}

type exitDocument struct {
	Code   int32 `json:"code"`
	Signal int32 `json:"signal"`
	OOM    bool  `json:"oom"`
	Known  bool  `json:"known"`
}

type lineDocument struct {
	Seq     uint64  `json:"seq"`
	Time    *string `json:"time"`
	State   string  `json:"state"`
	Message string  `json:"message"`
}

// recordDocument is one line of `extactor events -o json`.
type recordDocument struct {
	Node     string          `json:"node,omitempty"` // that was asked, where it is on the network
	Seq      uint64          `json:"seq"`
	Time     *string         `json:"time"`
	BootID   string          `json:"bootId"`
	BootNS   int64           `json:"bootNs"`
	Service  string          `json:"service"`
	Attempt  uint64          `json:"attempt"`
	Kind     string          `json:"kind"`
	State    string          `json:"state"`
	Message  string          `json:"message"`
	Cause    uint64          `json:"cause"`
	Decision uint64          `json:"decision"`
	Origin   *originDocument `json:"origin"`
	Fact     json.RawMessage `json:"fact,omitempty"` // all that is recorded of it, where kinds were asked for
}

type originDocument struct {
	UID    uint32 `json:"uid"`
	PID    int32  `json:"pid"`
	Via    string `json:"via"`
	Remote string `json:"remote,omitempty"` // over the network: who, by the certificate, and from where
}

// remoteNode names the node in documents that may be of others.
func (a *app) remoteNode() string {
	if a.remote.set() {
		return a.node
	}

	return ""
}

func (a *app) documentOf(response *apiv1.StatusResponse) statusDocument {
	document := statusDocument{
		APIVersion: apiVersion, Node: a.remoteNode(), Revision: response.GetRevision(),
		Services: make([]serviceDocument, 0, len(response.GetServices())), Removed: response.GetRemoved(),
		Problems: make([]problemDocument, 0, len(response.GetRejected())),
	}

	for _, file := range response.GetRejected() {
		document.Problems = append(document.Problems, problemDocument{file.GetFile(), append([]string{}, file.GetPositions()...)})
	}

	for _, service := range response.GetServices() {
		document.Services = append(document.Services, serviceDocumentOf(service))
	}

	return document
}

func serviceDocumentOf(service *apiv1.Service) serviceDocument {
	document := serviceDocument{
		ID: service.GetId(), Desired: service.GetDesired(), State: service.GetState(),
		Health: "unknown", HealthMessage: service.GetHealth().GetLastMessage(),
		Up: service.GetUp(), Completed: service.GetCompleted(),
		Attempt: service.GetAttempt(), Restarts: service.GetRestarts(), PID: service.GetPid(),
		Since: optionalTime(service.GetSince()), NextRetry: optionalTime(service.GetNextRetry()),
		WaitingFor: make([]dependencyDocument, 0, len(service.GetWaitingFor())),
		Problem:    service.GetProblem(), Source: service.GetSource(),
		FileProblem: service.GetFileProblem(), Cycle: append([]string{}, service.GetCycle()...), RestartPending: service.GetRestartPending(),
		Events: make([]lineDocument, 0, len(service.GetEvents())),
	}

	if health := service.GetHealth(); health.GetHealthy() {
		document.Health = "healthy"
	} else if !health.GetUnknown() {
		document.Health = "unhealthy"
	}

	for _, dependency := range service.GetWaitingFor() {
		document.WaitingFor = append(document.WaitingFor, dependencyDocument{dependency.GetKey(), optionalTime(dependency.GetSince())})
	}

	if exit := service.GetLastExit(); exit != nil {
		document.LastExit = &exitDocument{exit.GetCode(), exit.GetSignal(), exit.GetOom(), exit.GetKnown()}
	}

	for _, line := range service.GetEvents() {
		document.Events = append(document.Events, lineDocument{line.GetSeq(), optionalTime(line.GetAt()), line.GetState(), line.GetMessage()})
	}

	return document
}

func (a *app) recordDocumentOf(record *apiv1.EventRecord) recordDocument {
	document := recordDocument{
		Node: a.remoteNode(), Seq: record.GetSeq(), Time: optionalTime(record.GetAt()), BootID: record.GetAt().GetBootId(), BootNS: record.GetAt().GetBootNs(),
		Service: record.GetService(), Attempt: record.GetAttempt(), Kind: record.GetKind(), State: record.GetState(),
		Message: record.GetMessage(), Cause: record.GetCause(), Decision: record.GetDecision(),
	}

	if origin := record.GetOrigin(); origin != nil {
		document.Origin = &originDocument{origin.GetUid(), origin.GetPid(), origin.GetVia(), origin.GetRemote()}
	}

	if converted, err := recordOf(record); err == nil {
		document.Fact = factOf(converted)
	}

	return document
}

func optionalTime(at *apiv1.Moment) *string {
	if at == nil {
		return nil
	}

	text := timestamp(at)

	return &text
}
