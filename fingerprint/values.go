package fingerprint

import "encoding/json"

// Values are the fingerprints of one client: the i-th is that of the i-th of
// [Methods]. It is empty where the method does not apply, or was not computed.
// Use [Values.Get] to read one by its key.
type Values [len(Methods)]string

// Get returns the fingerprint with the given key, such as "ja4_r", or the empty
// string where there is none.
func (v *Values) Get(key string) string {
	if i := indexOf(key); i >= 0 {
		return v[i]
	}
	return ""
}

// Set sets the fingerprint with the given key, and reports whether there is a
// method of that key.
func (v *Values) Set(key, text string) bool {
	i := indexOf(key)
	if i >= 0 {
		v[i] = text
	}
	return i >= 0
}

// UnmarshalJSON reads a JSON object that has fingerprints as strings under their
// keys, such as an Event, and ignores all other keys. An error is that of
// encoding/json.
func (v *Values) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*v = Values{}
	for i := range Methods {
		if text, ok := all[Methods[i].Key]; ok {
			if err := json.Unmarshal(text, &v[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
