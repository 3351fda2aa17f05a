package capture

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLayerNames(t *testing.T) {
	docs, err := os.ReadFile("../docs/capture.md")
	require.NoError(t, err)
	kinds := make(map[string]LayerKind)
	for k := LayerKind(1); k <= numLayerKinds; k++ {
		name := layerNames[k]
		assert.NotEmpty(t, name, "layerNames lacks kind %d", k)
		assert.Zero(t, kinds[name], "two kinds are named %s", name)
		kinds[name] = k
		assert.Equal(t, name, k.String())
		assert.True(t, strings.Contains(string(docs), "\n| `"+name+"` | "), "docs/capture.md has no line of `%s`", name)
	}
	assert.Equal(t, "layer 0", LayerKind(0).String())
	assert.Equal(t, "layer 200", LayerKind(200).String())
	assert.Equal(t, "vlan 100", Layer{LayerVLAN, 100}.String())
	assert.Equal(t, "vlan", Layer{LayerVLAN, 0}.String())
}
