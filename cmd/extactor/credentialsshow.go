package main

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/credentials/talosconfig"
)

func (a *app) credentialsShowCommand() *cobra.Command {
	var dir, output string

	command := &cobra.Command{
		Use:   "show [TALOSCONFIG]",
		Short: "Show certificates: those of the daemon, or those of a talosconfig",
		Long:  "Show certificates, whom they are for and when they expire: those of the daemon, or those of a talosconfig. Keys are never shown.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if err := checkOutput(output, outputTable, outputJSON, outputYAML); err != nil {
				return err
			}

			document, err := a.shownCredentials(dir, args)
			if err != nil {
				return err
			}

			switch output {
			case outputJSON:
				return writeJSON(a.stdout, document, "  ")
			case outputYAML:
				return writeYAML(a.stdout, document)
			}

			a.showCredentials(document)

			return nil
		},
	}
	command.Flags().StringVarP(&output, "output", "o", outputTable, "table, json or yaml")
	completeOutput(command, outputTable, outputJSON, outputYAML)
	credentialsDir(command, &dir)

	return command
}

// credentialsDocument is `extactor credentials show -o json`.
type credentialsDocument struct {
	APIVersion   string                `json:"apiVersion"`
	Source       string                `json:"source"`
	CanSign      bool                  `json:"canSign"`           // the key of the CA is there
	Current      string                `json:"current,omitempty"` // the current context of a talosconfig
	Certificates []certificateDocument `json:"certificates"`
}

type certificateDocument struct {
	Use         string   `json:"use"`               // ca | server | accepted | client
	Context     string   `json:"context,omitempty"` // of a talosconfig
	Subject     string   `json:"subject"`
	Issuer      string   `json:"issuer"`
	Roles       []string `json:"roles"`
	Names       []string `json:"names"`     // of a server
	Endpoints   []string `json:"endpoints"` // of a context
	Nodes       []string `json:"nodes"`
	NotBefore   string   `json:"notBefore"`
	NotAfter    string   `json:"notAfter"`
	Fingerprint string   `json:"fingerprint"` // SHA-256
}

func (a *app) shownCredentials(dir string, args []string) (credentialsDocument, error) {
	if len(args) == 1 {
		if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
			return talosconfigDocument(args[0])
		}

		dir = args[0] // a talosconfig is a file, but what is meant is plain
	}

	set, err := credentials.Read(dir)
	if err != nil {
		return credentialsDocument{}, err
	}

	document := credentialsDocument{APIVersion: apiVersion, Source: dir, CanSign: set.CanSign()}
	add := func(use string, certificate *x509.Certificate) {
		document.Certificates = append(document.Certificates, certificateDocumentOf(use, certificate))
	}

	add("ca", set.Authority.Certificate)
	add("server", set.Server.Chain[0])

	for _, accepted := range set.Accepted {
		add("accepted", accepted)
	}

	return document, nil
}

func talosconfigDocument(path string) (credentialsDocument, error) {
	config, err := talosconfig.Read(path)
	if err != nil {
		return credentialsDocument{}, err
	}

	document := credentialsDocument{APIVersion: apiVersion, Source: path, Current: config.Current, Certificates: []certificateDocument{}}

	for _, context := range config.Contexts {
		shown := certificateDocument{Use: "client", Roles: []string{}, Names: []string{}}

		if len(context.Certificate) > 0 {
			certificates, err := credentials.ParseCertificates(context.Certificate)
			if err != nil {
				return credentialsDocument{}, fmt.Errorf("context %q of %q: crt: %w", context.Name, path, err)
			}

			shown = certificateDocumentOf("client", certificates[0])
		}

		shown.Context = context.Name
		shown.Endpoints, shown.Nodes = append(shown.Endpoints, context.Endpoints...), append(shown.Nodes, context.Nodes...)
		document.Certificates = append(document.Certificates, shown)
	}

	return document, nil
}

func certificateDocumentOf(use string, certificate *x509.Certificate) certificateDocument {
	fingerprint := sha256.Sum256(certificate.Raw)
	document := certificateDocument{
		Use: use, Subject: certificate.Subject.String(), Issuer: certificate.Issuer.String(),
		Roles: []string{}, Names: append([]string{}, credentials.NamesOf(certificate)...), Endpoints: []string{}, Nodes: []string{},
		NotBefore: certificate.NotBefore.Format(time.RFC3339), NotAfter: certificate.NotAfter.Format(time.RFC3339),
		Fingerprint: hex.EncodeToString(fingerprint[:]),
	}

	if use == "client" {
		for _, role := range credentials.RolesOf(certificate) {
			document.Roles = append(document.Roles, string(role))
		}
	}

	return document
}

// showCredentials lays out a directory, or the contexts of a talosconfig, as a table.
func (a *app) showCredentials(document credentialsDocument) {
	rows := [][]cell{plain("USE", "SUBJECT", "FOR", "EXPIRES", "SHA-256")}
	if len(document.Certificates) == 0 || document.Certificates[0].Use == "client" {
		rows = [][]cell{plain("CURRENT", "CONTEXT", "ROLE", "ENDPOINTS", "NODES", "EXPIRES", "SHA-256")}
	}

	palette := a.paint()

	for _, each := range document.Certificates {
		expires, good := a.expiry(each)

		var row []cell

		if each.Use == "client" {
			current := ""
			if each.Context == document.Current {
				current = "*"
			}

			row = plain(current, each.Context, cmp.Or(strings.Join(each.Roles, ","), "-"), strings.Join(each.Endpoints, ","),
				strings.Join(each.Nodes, ","), expires, each.Fingerprint)
		} else {
			row = plain(each.Use, each.Subject, usedFor(each, document.CanSign), expires, each.Fingerprint)
		}

		if !good {
			row[len(row)-2].style = palette.bad
		}

		rows = append(rows, row)
	}

	(&table{out: a.stdout}).write(rows...)
}

func usedFor(certificate certificateDocument, canSign bool) string {
	switch {
	case certificate.Use == "server":
		return strings.Join(certificate.Names, ",")
	case certificate.Use == "accepted":
		return "clients of before"
	case canSign:
		return "signs here"
	default:
		return "signs elsewhere"
	}
}

// expiry tells when a certificate ends, and whether that is still to come.
func (a *app) expiry(certificate certificateDocument) (text string, good bool) {
	end, err := time.Parse(time.RFC3339, certificate.NotAfter)
	if err != nil {
		return "-", true
	}

	if left := end.Sub(a.now()); left > 0 {
		return "in " + rough(left), true
	}

	return rough(a.now().Sub(end)) + " ago", false
}

// rough is a length of time as people say it: in the largest unit of which it has two.
func rough(length time.Duration) string {
	const day = 24 * time.Hour

	switch rounded := length.Round(time.Second); {
	case rounded >= 2*day:
		return fmt.Sprintf("%dd", rounded.Round(day)/day)
	case rounded >= 2*time.Hour:
		return fmt.Sprintf("%dh", rounded.Round(time.Hour)/time.Hour)
	case rounded >= 2*time.Minute:
		return fmt.Sprintf("%dm", rounded.Round(time.Minute)/time.Minute)
	default:
		return fmt.Sprintf("%ds", rounded/time.Second)
	}
}
