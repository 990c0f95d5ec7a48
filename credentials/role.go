package credentials

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
)

// Role is what a client may do, as it stands in the organization of its certificate.
type Role string

// The roles that Talos has for what extactor does. Each includes those before it.
const (
	Reader   Role = "os:reader"
	Operator Role = "os:operator"
	Admin    Role = "os:admin"
)

// rolePrefix is in front of every role of Talos; people may leave it away.
const rolePrefix = "os:"

// Roles returns all roles, the weakest first.
func Roles() []Role { return []Role{Reader, Operator, Admin} }

// ParseRole reads a role as people write it: reader or os:reader.
func ParseRole(text string) (Role, error) {
	role := Role(rolePrefix + strings.TrimPrefix(text, rolePrefix))
	if slices.Contains(Roles(), role) {
		return role, nil
	}

	return "", fmt.Errorf("role %q is not known; it is reader, operator or admin", text)
}

// RolesOf returns the roles of a client's certificate. Those that extactor does not know are among them: they allow nothing.
func RolesOf(certificate *x509.Certificate) []Role {
	var roles []Role

	for _, organization := range certificate.Subject.Organization {
		if role := Role(strings.TrimSpace(organization)); role != "" {
			roles = append(roles, role)
		}
	}

	return roles
}
