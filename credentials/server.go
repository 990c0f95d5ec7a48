package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// lookEvery is how often the files are read at most, when somebody connects.
	lookEvery = time.Second

	// lookPatience is how long who connects waits for that.
	lookPatience = time.Second

	// warnBefore is how long before the end of a certificate the daemon begins to say so.
	warnBefore = 30 * 24 * time.Hour
)

// Server has the credentials of a directory for a server, always those that are there now.
type Server struct {
	dir    string
	report func(error)
	now    func() time.Time
	read   func() (contents, *Set, error)

	mu      sync.Mutex
	looked  time.Time
	looking bool
	content contents // that of config
	config  *tls.Config
	problem string // with the files as they are now
	told    bool   // and that it was reported
	end     time.Time
	ending  string // what was reported of that
}

// OpenServer reads the credentials of a directory. report hears of what is wrong later: files that have changed and do not
// fit together, for example, in whose place those from before go on being used. It is not called at the same time twice.
func OpenServer(dir string, report func(error)) (*Server, error) {
	server := &Server{dir: dir, report: report, now: time.Now}
	server.read = server.readSet

	content, set, err := server.read()
	if err != nil {
		return nil, err
	}

	server.use(content, set)

	return server, nil
}

// TLSConfig returns a configuration that shows, and lets in by, what the directory holds at the moment somebody connects.
func (s *Server) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return s.current(), nil
		},
	}
}

// current is the configuration for who connects now. A disk that hangs does not keep it back: then it is the one from before.
func (s *Server) current() *tls.Config {
	if s.due() {
		looked := make(chan struct{})

		go func() {
			defer close(looked)
			s.look()
		}()

		select {
		case <-looked:
		case <-time.After(lookPatience):
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	return s.config
}

// due tells whether the files have to be looked at, by whoever is told so.
func (s *Server) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	now := s.now()
	if s.looking || now.Sub(s.looked).Abs() < lookEvery { // the clock may have been set back
		return false
	}

	s.looking, s.looked = true, now
	s.tellOfEnd()

	return true
}

func (s *Server) look() {
	content, set, err := s.read()

	s.mu.Lock()
	defer s.mu.Unlock()

	s.looking = false

	switch {
	case err != nil:
		s.tell(err)
	case content.equal(s.content):
		s.problem = ""
	default:
		s.use(content, set)
	}
}

func (s *Server) readSet() (contents, *Set, error) {
	content, err := readFiles(s.dir)
	if err != nil {
		return nil, nil, err
	}

	set, err := content.parse()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the credentials in %q: %w", s.dir, err)
	}

	return content, set, nil
}

const usedFromBefore = "; those from before go on being used"

// tell reports a problem once. A look that finds it for the first time may have been in the middle of a change.
func (s *Server) tell(err error) {
	if err.Error() != s.problem {
		s.problem, s.told = err.Error(), false

		return
	}

	if !s.told {
		s.told = true
		s.report(fmt.Errorf("%w%s", err, usedFromBefore))
	}
}

// use takes over what was read.
func (s *Server) use(content contents, set *Set) {
	s.looked, s.content, s.problem = s.now(), content, ""
	s.config, s.end, s.ending = set.serverConfig(s.now), set.end(), ""
	s.tellOfEnd()
}

// tellOfEnd reports once that the credentials are about to end, and once that they have ended.
func (s *Server) tellOfEnd() {
	var ending string

	switch now := s.now(); {
	case now.After(s.end):
		ending = "have ended at %s: nobody can connect"
	case now.Add(warnBefore).After(s.end):
		ending = "end at %s: nobody can connect from then on"
	}

	if ending != "" {
		ending = fmt.Sprintf("the credentials in %q "+ending+"; see: extactor credentials rotate", s.dir, s.end.Format(time.RFC3339))
	}

	if ending != "" && ending != s.ending {
		s.report(errors.New(ending))
	}

	s.ending = ending
}

// Problem says what is wrong with the files as they are now: that those from before are used in their place, for example.
// It is empty where nothing is.
func (s *Server) Problem() string {
	s.current()

	s.mu.Lock()
	defer s.mu.Unlock()

	if s.problem != "" {
		return s.problem + usedFromBefore
	}

	return s.ending
}

// serverConfig lets in who has a certificate for a client by one of the CAs.
func (s *Set) serverConfig(now func() time.Time) *tls.Config {
	clients := x509.NewCertPool()
	for _, trusted := range s.Trusted() {
		clients.AddCert(trusted)
	}

	beginning := s.beginning()

	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
		Certificates: []tls.Certificate{s.Server.TLS()},
		ClientAuth:   tls.RequireAndVerifyClientCert, // which looks for clientAuth among the usages
		ClientCAs:    clients,
		// Who comes back is looked at anew: its CA may have been dropped since.
		SessionTicketsDisabled: true,
		// A device without a battery comes up decades ago. It cannot be earlier than its own certificates; that is good
		// enough until the clock is set, because what a CA of ours signs is valid from the CA's beginning on.
		Time: func() time.Time {
			if at := now(); at.After(beginning) {
				return at
			}

			return beginning
		},
	}
}

// end is the last moment at which a client that trusts the CA of the set will talk to its server.
func (s *Set) end() time.Time {
	return earlier(s.Server.Chain[0].NotAfter, s.Authority.Certificate.NotAfter)
}
