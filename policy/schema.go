package policy

import (
	"encoding/json"

	"github.com/tlspeek/tlspeek/event"
)

// SchemaID is the identifier of the JSON Schema of a policy's file.
const SchemaID = "https://github.com/tlspeek/tlspeek/docs/policy.schema.json"

// An object is one in JSON.
type schemaObject map[string]any

// Schema returns the JSON Schema (draft 2020-12) of a policy's file, for editors. A file
// that Load accepts is valid; what is valid may still have a condition that does not compile.
func Schema() []byte {
	text, _ := json.MarshalIndent(schemaRoot(), "", "  ") // maps of texts have no error
	return append(text, '\n')
}

func schemaRoot() schemaObject {
	root := closedObject(schemaObject{
		"lists": described("Lists by name, for inList(\"name\", value) in conditions.", schemaObject{
			"type": []string{"object", "null"}, "propertyNames": labelSchema(), "additionalProperties": schemaRef("list"),
		}),
		"certificates": described("Certificates by name, for do: config.", schemaObject{
			"type": []string{"object", "null"}, "propertyNames": labelSchema(), "additionalProperties": schemaRef("certificate"),
		}),
		"default": described("What to do if no rule decides: deny at the stage request, close at the stage hello. Without it, allow.",
			enum(string(Allow), string(Deny), string(Close))),
		"rules": described("The rules, in the order in which they are asked. The first that matches decides.",
			schemaObject{"type": "array", "items": schemaRef("rule")}),
		"tests": described("What tlspeek policy test and a server expect of the policy, before it is used.",
			schemaObject{"type": []string{"array", "null"}, "items": schemaRef("test")}),
	}, "rules")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = SchemaID
	root["title"] = "A policy of tlspeek"
	root["$defs"] = schemaObject{
		"list":        listSchema(),
		"certificate": closedObject(schemaObject{"cert": described("The file with the certificate in PEM.", someText()), "key": described("The file with its key in PEM.", someText())}, "cert", "key"),
		"rule":        ruleSchema(),
		"test":        testSchema(),
		"capture": closedObject(schemaObject{
			"capture": described("The file of a capture.", someText()),
			"packet":  described("The number, from 1, of the packet that completed the hello.", schemaObject{"type": "integer", "minimum": 1}),
		}, "capture", "packet"),
		"event":   eventSchema(),
		"request": requestSchema(),
		"expect": described("What is expected. What is left out is not compared.", with(closedObject(schemaObject{
			"rule": described("The rule that decides, default, or the empty text.", schemaObject{"type": "string"}),
			"do":   described("What happens; count for what would happen.", enum(outcomes...)),
			"tags": described("Tags that are there, or [] for none.", textsSchema(schemaObject{"type": "string"}, 0)),
		}), "minProperties", 1)),
	}
	return root
}

func listSchema() schemaObject {
	return described("A list: a file with a value a line, or the values.", with(closedObject(schemaObject{
		"file":   described("A file with a value a line, relative to the policy.", someText()),
		"values": described("The values.", schemaObject{"type": "array", "items": scalar()}),
		"type":   described("What the values are; auto tells it by their looks.", enum(listTypes[:]...)),
	}), "oneOf", []schemaObject{{"required": []string{"file"}}, {"required": []string{"values"}}}))
}

func ruleSchema() schemaObject {
	rule := closedObject(schemaObject{
		"name":        described("The name of the rule, in Events, header fields and metrics.", with(labelSchema(), "not", schemaObject{"const": DefaultName})),
		"when":        described("The condition, in CEL over the keys of an Event.", schemaObject{"type": []string{"string", "boolean"}}),
		"do":          described("What to do if the condition is true.", enum(actions...)),
		"stage":       described("When to ask: before the handshake, or for each request. Without it, as early as the condition can be told.", enum(AtHello.String(), AtRequest.String())),
		"mode":        described("count only says what would happen.", enum(string(Enforce), string(Count))),
		"tags":        described("Tags to add; for do: tag, the rule's name without it.", textsSchema(labelSchema(), 0)),
		"by":          described("For do: limit, the keys whose values have a rate together.", textsSchema(enum(limitKeys()...), 1)),
		"rate":        described("For do: limit, such as 50/s burst 100.", schemaObject{"type": "string", "pattern": `^\s*[0-9]+/\S+(\s+burst\s+[0-9]+)?\s*$`}),
		"certificate": described("For do: config, the name of a certificate.", someText()),
		"hold":        described("For do: tarpit, how long the connection is held, such as 30s.", schemaObject{"type": "string", "pattern": `^\+?([0-9.]+(ns|us|µs|ms|s|m|h))+$`}),
	}, "name", "when", "do")
	only := func(do Action, required []string, others ...string) schemaObject {
		forbidden := schemaObject{}
		for _, key := range append(others, required...) {
			forbidden[key] = false
		}
		return schemaObject{
			"if":   schemaObject{"properties": schemaObject{"do": schemaObject{"const": string(do)}}, "required": []string{"do"}},
			"then": schemaObject{"required": required},
			"else": schemaObject{"properties": forbidden},
		}
	}
	rule["allOf"] = []schemaObject{only(Limit, []string{"rate"}, "by"), only(Config, []string{"certificate"}), only(Tarpit, []string{}, "hold")}
	return rule
}

func testSchema() schemaObject {
	return closedObject(schemaObject{
		"name":    described("What errors call the test.", schemaObject{"type": "string"}),
		"event":   described("An Event, a file with one in JSON, or a packet of a capture, such as c.pcap:17.", schemaObject{"anyOf": []schemaObject{someText(), schemaRef("capture"), schemaRef("event")}}),
		"request": schemaRef("request"),
		"stage":   described("The stage to ask alone.", enum(AtHello.String(), AtRequest.String())),
		"times":   described("How often the hello comes at once, for limits.", schemaObject{"type": "integer", "minimum": 1, "maximum": maxTimes}),
		"agg":     described("What agg returns, by value.", schemaObject{"type": "object", "additionalProperties": schemaObject{"type": "object"}}),
		"expect":  schemaRef("expect"),
	}, "event", "expect")
}

func eventSchema() schemaObject {
	keys := schemaObject{}
	for i := range event.Fields {
		keys[event.Fields[i].Key] = true
	}
	return described("An Event, as docs/event.md describes it.", schemaObject{"type": "object", "properties": keys, "additionalProperties": false})
}

func requestSchema() schemaObject {
	return described("The request; without it, GET / of the server name.", closedObject(schemaObject{
		"method":   described("The method, such as GET.", scalar()),
		"host":     described("The host, in lower case and without a port.", scalar()),
		"path":     described("The path, decoded.", scalar()),
		"query":    described("What follows the question mark.", scalar()),
		"protocol": described("Such as HTTP/2.0.", scalar()),
		"headers": described("The header fields.", schemaObject{
			"type": "object", "additionalProperties": textsSchema(schemaObject{"type": "string"}, 0),
		}),
	}))
}

// closedObject returns the schema of an object that has no other keys.
func closedObject(properties schemaObject, required ...string) schemaObject {
	o := schemaObject{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func with(o schemaObject, key string, value any) schemaObject {
	o[key] = value
	return o
}

func described(text string, o schemaObject) schemaObject { return with(o, "description", text) }

func enum(values ...string) schemaObject { return schemaObject{"enum": values} }

func schemaRef(name string) schemaObject { return schemaObject{"$ref": "#/$defs/" + name} }

func someText() schemaObject { return schemaObject{"type": "string", "minLength": 1} }

func scalar() schemaObject {
	return schemaObject{"type": []string{"string", "number", "boolean"}}
}

// labelSchema is the schema of what checkLabel accepts.
func labelSchema() schemaObject {
	return schemaObject{"type": "string", "pattern": `^[a-zA-Z0-9_.:/-]+$`, "maxLength": maxLabel}
}

// textsSchema is the schema of one text or a list of at least as many.
func textsSchema(of schemaObject, least int) schemaObject {
	list := schemaObject{"type": "array", "items": of}
	if least > 0 {
		list["minItems"], list["uniqueItems"] = least, true
	}
	return schemaObject{"anyOf": []schemaObject{of, list}}
}
