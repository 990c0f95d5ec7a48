package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/credentials"
)

func (a *app) credentialsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "credentials",
		Short: "Make, show and replace the certificates of the network API",
		Long: "Make, show and replace the certificates of the network API, for the daemon and for its clients: extactor itself and " +
			"talosctl. A client's certificate says what it may do: reader, operator or admin.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		a.credentialsInitCommand(), a.credentialsClientCommand(), a.credentialsRotateCommand(), a.credentialsShowCommand(),
	)

	return command
}

// credentialsDir adds the flag that names the directory.
func credentialsDir(command *cobra.Command, dir *string) {
	command.Flags().StringVar(dir, "credentials", defaultCredentials, "directory of the credentials")
	_ = command.MarkFlagDirname("credentials") // only for a flag that does not exist
}

// authorityFlags name a CA that exists.
type authorityFlags struct{ certificate, key string }

func (f *authorityFlags) add(command *cobra.Command, use string) {
	command.Flags().StringVar(&f.certificate, "ca-cert", "", use+" the CA of this file")
	command.Flags().StringVar(&f.key, "ca-key", "", "the key of that CA")

	for _, flag := range []string{"ca-cert", "ca-key"} {
		_ = command.MarkFlagFilename(flag)
	}
}

// load reads the CA, if there is one.
func (f *authorityFlags) load() (*credentials.Authority, error) {
	switch {
	case f.certificate == "" && f.key == "":
		return nil, nil
	case f.certificate == "":
		return nil, usageError{errors.New("--ca-key is the key of a CA: --ca-cert FILE is needed too")}
	case f.key == "":
		return nil, usageError{errors.New("--ca-key FILE is needed too: it signs the server's certificate, and is not kept with --without-ca-key. " +
			"Where it is out of reach, put ca.crt, server.crt and server.key into the directory by hand")}
	}

	return credentials.LoadAuthority(f.certificate, f.key)
}

func (a *app) credentialsInitCommand() *cobra.Command {
	var (
		dir       string
		endpoints []string
		authority authorityFlags
		options   credentials.Options
	)

	command := &cobra.Command{
		Use:   "init --endpoint HOST...",
		Short: "Make a CA, and the certificate of the daemon",
		Long: "Make a certificate authority (CA), and the certificate that the daemon shows. That is valid for the endpoints, and for " +
			"localhost, 127.0.0.1 and ::1; and for the name of this machine, unless it is for another (--without-ca-key).",
		Example: "  extactor credentials init --endpoint 10.5.0.2 --endpoint node-a.example\n" +
			"  extactor credentials init --endpoint 10.5.0.3 --ca-cert ca.crt --ca-key ca.key --without-ca-key --credentials ./node-b",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			if len(endpoints) == 0 {
				return usageError{errors.New("it is not said by which address or name clients reach the daemon: --endpoint HOST")}
			}

			if options.Names, err = a.names(endpoints, options.WithoutKey); err != nil {
				return err
			}

			if options.Authority, err = authority.load(); err != nil {
				return err
			}

			if options.WithoutKey && options.Authority == nil {
				return usageError{errors.New("--without-ca-key is for a CA that exists (--ca-cert, --ca-key): a new one whose key is nowhere is of no use")}
			}

			set, err := credentials.Create(dir, options, a.now())
			if errors.Is(err, credentials.ErrExists) {
				return fmt.Errorf("%w; --force replaces them, and locks out who has a certificate by their CA; see: extactor credentials rotate", err)
			} else if err != nil {
				return err
			}

			a.tellMade(dir, set, options.Authority == nil)

			return nil
		},
	}
	command.Flags().StringSliceVar(&endpoints, "endpoint", nil, "a host name or an IP address by which clients reach the daemon; may be repeated")
	authority.add(command, "do not make a CA, but use")
	command.Flags().BoolVar(&options.WithoutKey, "without-ca-key", false, "do not keep the key of the CA: no client's certificate can be made here")
	command.Flags().BoolVar(&options.Replace, "force", false, "replace what is there")
	credentialsDir(command, &dir)

	return command
}

// names are the endpoints, and what this machine calls itself; each once. A certificate that is made for another machine
// does not have the name of this one: whoever takes it could pretend to be this one.
func (a *app) names(endpoints []string, forAnother bool) ([]string, error) {
	var names []string

	host := a.node
	if forAnother {
		host = ""
	}

	for _, endpoint := range endpoints {
		name, err := credentials.ParseName(endpoint)
		if err != nil {
			return nil, usageError{err}
		}

		names = append(names, name)
	}

	var once []string

	for _, name := range append(names, credentials.LocalNames(host)...) {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}

	return once, nil
}

func (a *app) tellMade(dir string, set *credentials.Set, authority bool) {
	what := "the certificate of the daemon"
	if authority {
		what = "a CA and the certificate of the daemon"
	}

	server := set.Server.Chain[0]
	fmt.Fprintf(a.stdout, "%s: %s, for %s; valid until %s\n",
		dir, what, strings.Join(credentials.NamesOf(server), ", "), server.NotAfter.Format(time.DateOnly))

	where := ""
	if dir != defaultCredentials {
		where = " --credentials " + dir
	}

	fmt.Fprintf(a.stdout, "next, the daemon: extactor daemon --listen :50000%s\n", where)

	if set.CanSign() {
		fmt.Fprintf(a.stdout, "next, a client:   extactor credentials client --role admin%s\n", where)
	} else {
		fmt.Fprintln(a.stdout, "next, a client:   extactor credentials client, where the key of the CA is")
	}
}

// now is the time of day.
func (a *app) now() time.Time { return time.Unix(0, a.clock().wallNS).UTC() }
