package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/credentials"
)

func (a *app) credentialsRotateCommand() *cobra.Command {
	var (
		dir       string
		endpoints []string
		authority authorityFlags
		rotation  credentials.Rotation
	)

	command := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the certificate of the daemon, or the CA too",
		Long: "Replace the certificate of the daemon; a daemon that runs takes it up by itself.\n\nWith --ca the CA is replaced too. Clients " +
			"that have a certificate by the CA before go on working, until --drop-old. Where the CA is that of several nodes, --ca is for " +
			"one of them, and the others get the new CA with --ca-cert and --ca-key, in any order: all clients go on working meanwhile.",
		Example: "  extactor credentials rotate --endpoint 10.5.0.9\n  extactor credentials rotate --ca\n  extactor credentials rotate --drop-old\n" +
			"  extactor credentials rotate --ca-cert new/ca.crt --ca-key new/ca.key",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			if len(endpoints) > 0 {
				if rotation.Names, err = a.names(endpoints, rotation.WithoutKey); err != nil {
					return err
				}
			}

			if rotation.Authority, err = authority.load(); err != nil {
				return err
			}

			if rotation.NewAuthority && rotation.Authority != nil {
				return usageError{errors.New("--ca makes a CA, and --ca-cert is one that exists: it is either of them")}
			}

			set, err := credentials.Rotate(dir, rotation, a.now())
			if err != nil {
				return err
			}

			a.tellRotated(dir, set, rotation)

			return nil
		},
	}
	command.Flags().BoolVar(&rotation.NewAuthority, "ca", false, "make a new CA too; that of before is accepted besides")
	command.Flags().BoolVar(&rotation.DropOld, "drop-old", false, "let in no more who has a certificate by a CA before this one")
	command.Flags().StringSliceVar(&endpoints, "endpoint", nil, "a host name or an IP address by which clients reach the daemon; by default those of before")
	authority.add(command, "take over")
	command.Flags().BoolVar(&rotation.WithoutKey, "without-ca-key", false, "do not keep the key of the CA")
	credentialsDir(command, &dir)

	return command
}

func (a *app) tellRotated(dir string, set *credentials.Set, rotation credentials.Rotation) {
	server := set.Server.Chain[0]
	fmt.Fprintf(a.stdout, "%s: the daemon's certificate is for %s; valid until %s\n",
		dir, strings.Join(credentials.NamesOf(server), ", "), server.NotAfter.Format(time.DateOnly))

	if rotation.NewAuthority || rotation.Authority != nil {
		fmt.Fprintf(a.stdout, "the CA is %q\n", set.Authority.Certificate.Subject.CommonName)
	}

	switch count := len(set.Accepted); {
	case count > 0:
		fmt.Fprintf(a.stdout, "clients of %s before it are let in too; make new ones (extactor credentials client), then: extactor credentials rotate --drop-old\n",
			counted(count, "CA", "CAs"))
	case rotation.DropOld:
		fmt.Fprintln(a.stdout, "clients of other CAs are not let in")
	}
}
