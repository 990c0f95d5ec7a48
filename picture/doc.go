// Package picture draws what the journal and the views of services say: a boot over time, and the graph of dependencies.
// It is pure: values in, text out, and the same values give the same bytes. Pictures are SVG without scripts and without
// fonts of their own, in light colours and, where the viewer prefers it, in dark ones.
package picture
