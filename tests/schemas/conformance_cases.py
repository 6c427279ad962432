"""The JSON cases of protobuf's conformance suite by its categories, each a text under a name."""

ALL_TYPES = """
enum Color RED=0 GREEN=1 BLUE=2 VERT=1 ANTI=-1
message Part
  int32 a
  All whole
message All
  int32 int32_field
  int64 int64_field
  uint32 uint32_field
  uint64 uint64_field
  float float_field
  double double_field
  bool bool_field
  string string_field
  bytes bytes_field
  Color color_field
  Part part
  All all
  repeated int32 repeated_int32
  repeated string repeated_string
  repeated bytes repeated_bytes
  repeated Color repeated_color
  repeated Part repeated_part
  repeated float repeated_float
  map<int32,int32> int32_map
  map<uint64,uint64> uint64_map
  map<bool,bool> bool_map
  map<string,string> string_map
  map<string,Part> part_map
  map<string,Color> color_map
  uint32 oneof_uint32 oneof=choice
  string oneof_string oneof=choice
  Part oneof_part oneof=choice
  NullValue oneof_null oneof=choice
  int32 fieldname1
  int32 field_name2
  int32 _field_name3
  int32 field__name4_
  int32 field0name5
  int32 FieldName8
  int32 FIELD_NAME11
  int32 __field_name13
  int32 renamed json=@other
  optional int32 optional_int32
  Duration duration
  Timestamp timestamp
  FieldMask mask
  Struct struct
  Value value
  ListValue list_value
  Any any
  Empty empty
  repeated Value repeated_value
  repeated Duration repeated_duration
  repeated ListValue repeated_list_value
  map<string,Value> value_map
  BoolValue bool_wrapper
  Int32Value int32_wrapper
  Int64Value int64_wrapper
  UInt32Value uint32_wrapper
  UInt64Value uint64_wrapper
  FloatValue float_wrapper
  DoubleValue double_wrapper
  StringValue string_wrapper
  BytesValue bytes_wrapper
  repeated Int32Value repeated_int32_wrapper
  NullValue null
  repeated NullValue repeated_null
"""

ACCEPTED = {
    "nothing at all": "{}",
    "camel case": '{"fieldname1": 1, "fieldName2": 2, "FieldName3": 3, "fieldName4": 4}',
    "proto names": '{"fieldname1": 1, "field_name2": 2, "_field_name3": 3, "field__name4_": 4}',
    "names with digits and capitals": '{"field0name5": 5, "FieldName8": 8, "FIELDNAME11": 11}',
    "names that begin with two underscores": '{"FieldName13": 13}',
    "a name of its own": '{"@other": 1}',
    "the other name of a renamed field": '{"renamed": 1}',
    "both names of a field outside of oneofs": '{"fieldName2": 1, "field_name2": 2}',
    "int32 at its bounds": '{"int32Field": 2147483647, "fieldname1": -2147483648}',
    "int64 at its bounds": '{"int64Field": "9223372036854775807"}',
    "int64 as a number": '{"int64Field": -9223372036854775808}',
    "uint32 at its bound": '{"uint32Field": 4294967295}',
    "uint64 at its bound": '{"uint64Field": "18446744073709551615"}',
    "an integer with a trailing zero": '{"int32Field": 1.0}',
    "an integer in exponential form": '{"int32Field": 1e5}',
    "an integer as the greatest float": '{"int32Field": 2147483647.0}',
    "an integer as a string": '{"int32Field": "2147483647"}',
    "an integer as an escaped string": '{"int32Field": "2\\u003147483647"}',
    "an integer as a string with a point": '{"int32Field": "1.0"}',
    "an integer as a string with an exponent": '{"int32Field": "1e5"}',
    "an integer with a minus sign in a string": '{"int32Field": "-1"}',
    "minus zero": '{"int32Field": -0, "doubleField": -0.0, "floatField": -0}',
    "floats": '{"floatField": 1.175494e-38, "doubleField": 2.22507e-308}',
    "the greatest floats": '{"floatField": 3.4028234663852886e38, "doubleField": 1.7976931348623157e308}',
    "a float as an integer": '{"floatField": 1, "doubleField": 1}',
    "a float as a string": '{"floatField": "1.5", "doubleField": "-1e-3"}',
    "infinities as strings": '{"floatField": "Infinity", "doubleField": "-Infinity"}',
    "NaN as a string": '{"floatField": "NaN", "repeatedFloat": ["NaN"]}',
    "a number far below a float": '{"floatField": 1e-60}',
    "booleans": '{"boolField": true, "all": {"boolField": false}}',
    "strings with escapes": '{"stringField": "\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u8C37\\u6B4C"}',
    "a string with a pair of surrogates": '{"stringField": "\\uD83D\\uDE01 \\u0000"}',
    "a string of many scripts": '{"stringField": "谷歌 é 😁"}',
    "bytes": '{"bytesField": "AQI="}',
    "bytes without padding": '{"bytesField": "AQI", "repeatedBytes": ["", "AQID", "AQ"]}',
    "bytes in the alphabet of URLs": '{"bytesField": "-_", "repeatedBytes": ["+/+/", "-_-_"]}',
    "an enum by its name": '{"colorField": "GREEN"}',
    "an enum by its alias": '{"colorField": "VERT"}',
    "an enum by its number": '{"colorField": 1}',
    "an enum by a negative number": '{"colorField": -1}',
    "an unknown number of an open enum": '{"colorField": 123}',
    "a message": '{"part": {"a": 1}}',
    "messages in each other": '{"part": {"whole": {"part": {"whole": {"part": {}}}}}}',
    "lists": '{"repeatedInt32": [1, 2.0, "3"], "repeatedString": ["a", "é"], "repeatedColor": ["RED", 1]}',
    "a list of messages": '{"repeatedPart": [{"a": 1}, {}]}',
    "empty lists": '{"repeatedInt32": [], "repeatedPart": [], "repeatedString": []}',
    "maps": '{"int32Map": {"1": 2, "-1": 3}, "uint64Map": {"18446744073709551615": "1"}}',
    "a map by booleans": '{"boolMap": {"true": true, "false": false}}',
    "a map by strings": '{"stringMap": {"": "", "null": "null", "é": "é"}}',
    "a map by an escaped key": '{"int32Map": {"\\u0031": 2}, "boolMap": {"tr\\u0075e": true}}',
    "a map of messages": '{"partMap": {"a": {"a": 1}, "b": {}}}',
    "a map of enums": '{"colorMap": {"a": "RED", "b": 7}}',
    "empty maps": '{"int32Map": {}, "partMap": {}}',
    "one field of a oneof": '{"oneofUint32": 1}',
    "a oneof's field after another one's null": '{"oneofUint32": null, "oneof_string": "a"}',
    "a oneof's null value": '{"oneofNull": null}',
    "null values by name and number": '{"repeatedNull": ["NULL_VALUE", 0]}',
    "a oneof's null value by name": '{"oneofNull": "NULL_VALUE"}',
    "null for scalars": '{"int32Field": null, "floatField": null, "boolField": null, "stringField": null}',
    "null for bytes, enums and messages": '{"bytesField": null, "colorField": null, "part": null}',
    "null for a null value": '{"null": null}',
    "null for lists": '{"repeatedInt32": null, "repeatedPart": null}',
    "null for maps": '{"int32Map": null, "partMap": null}',
    "null for well-known types": '{"duration": null, "timestamp": null, "mask": null, "struct": null}',
    "null for values and wrappers": '{"value": null, "listValue": null, "boolWrapper": null}',
    "null for messages without fields": '{"any": null, "empty": null}',
    "null for a list of well-known types": '{"repeatedDuration": null}',
    "null for an optional field": '{"optionalInt32": null, "optional_int32": null}',
    "an optional field at its default": '{"optionalInt32": 0}',
    "wrappers": '{"boolWrapper": false, "int32Wrapper": 0, "int64Wrapper": "1", "uint32Wrapper": 1}',
    "more wrappers": '{"uint64Wrapper": "1", "floatWrapper": 1.5, "stringWrapper": ""}',
    "wrapped bytes": '{"bytesWrapper": "AQI=", "repeatedInt32Wrapper": [1, "2"]}',
    "a duration at its bounds": '{"duration": "315576000000.999999999s"}',
    "a negative duration": '{"duration": "-315576000000.999999999s"}',
    "durations": '{"repeatedDuration": ["0s", "-0.5s", "1.010s", "1.5s"]}',
    "the first timestamp": '{"timestamp": "0001-01-01T00:00:00Z"}',
    "the last timestamp": '{"timestamp": "9999-12-31T23:59:59.999999999Z"}',
    "a timestamp with an offset": '{"timestamp": "1969-12-31T16:00:00-08:00"}',
    "a timestamp of a leap day": '{"timestamp": "2024-02-29T00:00:00.5+01:00"}',
    "a field mask": '{"mask": "foo,barBaz.qux"}',
    "an empty field mask": '{"mask": ""}',
    "a struct": '{"struct": {"null": null, "a": [1, "x", true, {"b": [[]]}], "n": 1.5, "empty": {}}}',
    "a value of each kind": '{"repeatedValue": [null, 1, 1.5, "a", "é", true, [], {}, [null, [1]]]}',
    "a list value": '{"listValue": [1, null, "a", [], {}], "repeatedListValue": [["a"]]}',
    "a map of values": '{"valueMap": {"a": null, "b": 1}}',
    "an empty message": '{"empty": {}}',
    "an Any without a type": '{"any": {}}',
}

LEFT_TO_PARSE_DICT = {
    "a number for a boolean's cousin": '{"floatField": true}',
    "an enum's number as a string": '{"colorField": "1"}',
    "an enum's number as a float": '{"colorField": 1.0}',
    "a boolean for an enum": '{"colorField": true}',
    "an empty list for a message": '{"part": []}',
    "bytes with padding in their midst": '{"bytesField": "AQ==AQ=="}',
    "bytes with characters of no alphabet": '{"bytesField": "A Q I é"}',
    "an Any": '{"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}}',
    "a timestamp with single digits": '{"timestamp": "2020-1-1T0:0:0Z"}',
    "a duration with ten digits": '{"duration": "1.1234567891s"}',
    "a duration with a sign": '{"duration": "+1s"}',
}

REFUSED = {
    "a list for the whole": "[1]",
    "null for the whole": "null",
    "an unknown field": '{"unknown": 1}',
    "an unknown field within": '{"part": {"whole": {"unknown": null}}}',
    "an extension of a type without": '{"[test.extension]": 1}',
    "a name in other case": '{"INT32FIELD": 1}',
    "int32 too great": '{"int32Field": 2147483648}',
    "int32 too small": '{"int32Field": -2147483649}',
    "uint32 too great": '{"uint32Field": 4294967296}',
    "uint32 below zero": '{"uint32Field": -1}',
    "int64 too great": '{"int64Field": "9223372036854775808"}',
    "int64 as a float too great": '{"int64Field": 9223372036854775808.0}',
    "uint64 below zero": '{"uint64Field": "-1"}',
    "uint64 too great": '{"uint64Field": "18446744073709551616"}',
    "an integer that is none": '{"int32Field": 0.5}',
    "an integer as a string that is none": '{"int32Field": "0.5"}',
    "an integer in words": '{"int32Field": "one"}',
    "an integer with a space": '{"int32Field": " 1"}',
    "an integer without digits": '{"int32Field": ""}',
    "an integer beyond all floats": '{"int32Field": 1e999}',
    "an integer as infinity in a string": '{"int32Field": "Infinity"}',
    "a boolean for an integer": '{"int32Field": true}',
    "a list for an integer": '{"int32Field": [1]}',
    "float too great": '{"floatField": 3.502823e38}',
    "float too great by a little": '{"floatField": 3.4028235e38}',
    "float too small": '{"floatField": -3.502823e38}',
    "double too great": '{"doubleField": 1.89769e+308}',
    "bare NaN": '{"floatField": NaN}',
    "bare infinity": '{"doubleField": -Infinity}',
    "a bare NaN in a list": '{"repeatedFloat": [1.0, NaN, 2.0]}',
    "nan in small letters": '{"doubleField": "nan"}',
    "a float in words": '{"doubleField": "one"}',
    "an integer beyond all doubles": '{"doubleField": 1' + "0" * 400 + "}",
    "a number for a boolean": '{"boolField": 1}',
    "a string for a boolean": '{"boolField": "true"}',
    "a number for a string": '{"stringField": 1}',
    "half a pair of surrogates": '{"stringField": "\\uD83D"}',
    "surrogates in the wrong order": '{"stringField": "\\uDE01\\uD83D"}',
    "half a pair of surrogates in a list": '{"repeatedString": ["a", "\\uD83D"]}',
    "half a pair of surrogates in a key": '{"stringMap": {"\\uD83D": "a"}}',
    "bytes of a length that cannot be": '{"bytesField": "AQIDA"}',
    "a number for bytes": '{"bytesField": 1}',
    "an unknown name of an enum": '{"colorField": "MAUVE"}',
    "an enum in other case": '{"colorField": "red"}',
    "an enum beyond int32": '{"colorField": 2147483648}',
    "an object for an enum": '{"colorField": {}}',
    "a string for a message": '{"part": "a"}',
    "a wrong field in a message": '{"part": {"a": "x"}}',
    "a single value for a list": '{"repeatedInt32": 1}',
    "an object for a list": '{"repeatedInt32": {}}',
    "null in a list of numbers": '{"repeatedInt32": [1, null]}',
    "null in a list of messages": '{"repeatedPart": [null]}',
    "null in a list of durations": '{"repeatedDuration": [null]}',
    "null in a list of list values": '{"repeatedListValue": [null]}',
    "null in a list of wrappers": '{"repeatedInt32Wrapper": [null]}',
    "null for a list of null values": '{"repeatedNull": null}',
    "null in a list of null values": '{"repeatedNull": [null]}',
    "null for a list of values": '{"repeatedValue": null}',
    "mixed types in a list": '{"repeatedInt32": [1, true]}',
    "a string in a list of messages": '{"repeatedPart": [{}, "a"]}',
    "a list for a map": '{"int32Map": [1]}',
    "null in a map": '{"int32Map": {"1": null}}',
    "null in a map of messages": '{"partMap": {"a": null}}',
    "a map's key out of range": '{"int32Map": {"2147483648": 1}}',
    "a map's key in words": '{"int32Map": {"one": 1}}',
    "a map's key that is no boolean": '{"boolMap": {"1": true}}',
    "a map's value out of range": '{"int32Map": {"1": 2147483648}}',
    "two fields of a oneof": '{"oneofUint32": 1, "oneofString": "a"}',
    "both names of a oneof's field": '{"oneofUint32": 1, "oneof_uint32": 1}',
    "both names of an optional field": '{"optionalInt32": 1, "optional_int32": 1}',
    "a oneof's field and its message": '{"oneof_part": {}, "oneofString": ""}',
    "a wrong type in a wrapper": '{"int32Wrapper": "x", "boolWrapper": 1}',
    "an object for a wrapper": '{"int32Wrapper": {"value": 1}}',
    "a duration too great": '{"duration": "315576000001s"}',
    "a duration too small": '{"duration": "-315576000001s"}',
    "a duration whose fraction rounds up": '{"duration": "0.9999999999s"}',
    "a duration without its unit": '{"duration": "1"}',
    "a duration in another unit": '{"duration": "1m"}',
    "a duration in words": '{"duration": "ones"}',
    "an object for a duration": '{"duration": {"seconds": 1}}',
    "a timestamp too early": '{"timestamp": "0000-01-01T00:00:00Z"}',
    "a timestamp too late": '{"timestamp": "10000-01-01T00:00:00Z"}',
    "a timestamp carried too early": '{"timestamp": "0001-01-01T00:00:00+01:00"}',
    "a timestamp carried too late": '{"timestamp": "9999-12-31T23:59:59-01:00"}',
    "a timestamp with a small t": '{"timestamp": "2020-01-01t00:00:00Z"}',
    "a timestamp with a small z": '{"timestamp": "2020-01-01T00:00:00z"}',
    "a timestamp without a zone": '{"timestamp": "2020-01-01T00:00:00"}',
    "a timestamp of no day": '{"timestamp": "2023-02-29T00:00:00Z"}',
    "a timestamp of a leap second": '{"timestamp": "2016-12-31T23:59:60Z"}',
    "a timestamp of hour 24": '{"timestamp": "2020-01-01T24:00:00Z"}',
    "a timestamp with ten digits": '{"timestamp": "2020-01-01T00:00:00.1234567890Z"}',
    "a field mask with an underscore": '{"mask": "foo_bar"}',
    "a list for a field mask": '{"mask": ["a"]}',
    "a list for a struct": '{"struct": [1]}',
    "an object for a list value": '{"listValue": {}}',
    "a value beyond all doubles": '{"value": 1' + "0" * 400 + "}",
    "half a pair of surrogates in a value": '{"value": {"a": ["\\uD83D"]}}',
    "an Any of a type unknown": '{"any": {"@type": "type.googleapis.com/test.Unknown"}}',
    "an Any with values and no type": '{"any": {"value": 1}}',
    "a field in an empty message": '{"empty": {"a": 1}}',
}
