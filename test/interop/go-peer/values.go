package main

// Values cross the JSON lines as CLI.md says: bytes as {"$bytes":base64}, integers beyond 2^53 as {"$int":decimal},
// times as {"$time":RFC 3339}. A float is a number with a point or an exponent; any other number is an integer.

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// maxSafeInteger is the largest integer every JSON reader keeps exactly (2^53 - 1).
const maxSafeInteger = 1<<53 - 1

// fromJSON turns one JSON text of a command into the Go value that is handed to the library.
func fromJSON(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return fromParsed(value)
}

func fromParsed(value any) (any, error) {
	switch v := value.(type) {
	case json.Number:
		return fromNumber(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			parsed, err := fromParsed(item)
			if err != nil {
				return nil, err
			}
			list[i] = parsed
		}
		return list, nil
	case map[string]any:
		if len(v) == 1 {
			if text, ok := v["$bytes"].(string); ok {
				return base64.StdEncoding.DecodeString(text)
			}
			if text, ok := v["$int"].(string); ok {
				return fromNumber(json.Number(text))
			}
			if text, ok := v["$time"].(string); ok {
				return time.Parse(time.RFC3339Nano, text)
			}
		}
		object := make(map[string]any, len(v))
		for key, item := range v {
			parsed, err := fromParsed(item)
			if err != nil {
				return nil, err
			}
			object[key] = parsed
		}
		return object, nil
	}
	return value, nil
}

func fromNumber(number json.Number) (any, error) {
	text := string(number)
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return n, nil
		}
	}
	return strconv.ParseFloat(text, 64)
}

// toJSON turns what a codec of the library decoded into what is printed.
func toJSON(value any) any {
	switch v := value.(type) {
	case nil, bool, string:
		return v
	case []byte:
		return map[string]string{"$bytes": base64.StdEncoding.EncodeToString(v)}
	case time.Time:
		return map[string]string{"$time": v.UTC().Format(time.RFC3339Nano)}
	case json.RawMessage:
		decoder := json.NewDecoder(bytes.NewReader(v))
		decoder.UseNumber()
		var parsed any
		if err := decoder.Decode(&parsed); err != nil {
			return map[string]string{"$invalid": err.Error()}
		}
		return toJSON(parsed)
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return v
		}
		number, _ := fromNumber(v)
		if _, isFloat := number.(float64); isFloat {
			return map[string]string{"$int": string(v)}
		}
		return toJSON(number)
	}
	r := reflect.ValueOf(value)
	switch r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := r.Int(); n > maxSafeInteger || n < -maxSafeInteger {
			return map[string]string{"$int": strconv.FormatInt(n, 10)}
		}
		return r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := r.Uint(); n > maxSafeInteger {
			return map[string]string{"$int": strconv.FormatUint(n, 10)}
		}
		return r.Uint()
	case reflect.Float32, reflect.Float64:
		if f := r.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprint(f)
		}
		return r.Float()
	case reflect.Slice, reflect.Array:
		list := make([]any, r.Len())
		for i := range list {
			list[i] = toJSON(r.Index(i).Interface())
		}
		return list
	case reflect.Map:
		object := make(map[string]any, r.Len())
		for _, key := range r.MapKeys() {
			object[fmt.Sprint(key.Interface())] = toJSON(r.MapIndex(key).Interface())
		}
		return object
	}
	return fmt.Sprintf("%T %v", value, value)
}
