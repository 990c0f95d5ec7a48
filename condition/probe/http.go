package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

const maxRedirects = 10

// checkHTTP is content with a status below 400, after redirects within the same host. As kubelet does, it neither goes
// through a proxy nor verifies a certificate: it asks its own host, sends no secret, and believes only the status.
func checkHTTP(ctx context.Context, address string) (message string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", inner(err)
	}

	if scheme := request.URL.Scheme; scheme != "http" && scheme != "https" || request.URL.Host == "" {
		return "", fmt.Errorf("the URL %q must begin with http:// or https:// and name a host", request.URL.Redacted())
	}

	request.Header.Set("User-Agent", "extactor-health")

	client := http.Client{
		Transport: &http.Transport{
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // #nosec G402 -- asks whether it answers, sends nothing
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects || next.URL.Scheme != via[0].URL.Scheme || next.URL.Host != via[0].URL.Host {
				return http.ErrUseLastResponse
			}

			return nil
		},
	}

	response, err := client.Do(request)
	if err != nil {
		return "", inner(err)
	}
	defer response.Body.Close()

	if response.StatusCode < http.StatusBadRequest {
		return response.Status, nil // the body is not looked at: it may have no end
	}

	var body tail

	_, _ = io.Copy(&body, io.LimitReader(response.Body, outputLimit)) // what came until the timeout

	if line := body.lastLine(); line != "" {
		return "", statusError(response.Status + ": " + line)
	}

	return "", statusError(response.Status)
}

// statusError is an answer that is not a good one.
type statusError string

func (e statusError) Error() string { return string(e) }

// inner takes off the URL, which may carry a secret and is known to the reader, and what stands before the cause.
func inner(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}

	return cause(err)
}
