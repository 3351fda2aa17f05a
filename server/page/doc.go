// Package page shows hellos byte by byte in a browser.
package page
