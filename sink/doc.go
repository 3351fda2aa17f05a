// Package sink has the places where Events go.
package sink
