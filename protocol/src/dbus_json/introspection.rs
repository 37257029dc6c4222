//! What interfaces an object has: read from introspection XML, and from and to `meta` messages.
//!
//! The XML comes from other programs. Of it only elements, their attributes and their nesting are read; text,
//! comments and declarations are skipped, entities other than the five of XML are refused. Source: D-Bus
//! specification, "Introspection Data Format"; docs/protocol.md, "dbus-json3".

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::decode::push_json_string;
use super::signature;

/// Longest XML in bytes. The largest real one (systemd's manager) has 70 KB.
const MAX_XML: usize = 4 << 20;

/// Why introspection data are none. Always their sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionError {
    /// More than 4 MiB.
    #[error("introspection data have more than {MAX_XML} bytes")]
    TooLong,
    /// Not XML, at this byte.
    #[error("introspection data are not XML at byte {0}")]
    BadXml(usize),
    /// A member of `meta` of the wrong kind.
    #[error("meta of interface {0:?} is malformed")]
    BadMeta(String),
}

/// An object: its interfaces by name, and the last elements of its children's paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Introspection {
    /// Interfaces by name.
    pub interfaces: BTreeMap<String, Interface>,
    /// Names of the child nodes, in their order.
    pub children: Vec<String>,
}

/// The members of an interface by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Methods.
    pub methods: BTreeMap<String, Method>,
    /// Properties.
    pub properties: BTreeMap<String, Property>,
    /// Signals, with the signatures of their arguments.
    pub signals: BTreeMap<String, Vec<String>>,
}

/// The signatures of a method's arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Method {
    /// Those that it takes.
    pub inputs: Vec<String>,
    /// Those that it returns.
    pub outputs: Vec<String>,
}

/// A property.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Property {
    /// Its type.
    pub signature: String,
    /// `r`, `w` or `rw`.
    pub flags: String,
}

impl Introspection {
    /// Reads introspection XML. Elements that are not of the format are skipped.
    ///
    /// # Errors
    ///
    /// [`IntrospectionError`] when it is not XML or too long.
    pub fn parse(xml: &str) -> Result<Self, IntrospectionError> {
        if xml.len() > MAX_XML {
            return Err(IntrospectionError::TooLong);
        }
        let mut tags = Tags { xml, at: 0 };
        let mut builder = Builder::default();
        while let Some(tag) = tags.next_tag()? {
            builder.take(&tag);
        }
        Ok(builder.object)
    }
}

impl Interface {
    /// Writes the interface as it stands in `meta`.
    pub fn push_meta(&self, json: &mut String) {
        json.push_str("{\"methods\":");
        push_object(json, &self.methods, |method, json| {
            json.push_str("{\"in\":");
            push_strings(&method.inputs, json);
            json.push_str(",\"out\":");
            push_strings(&method.outputs, json);
            json.push('}');
        });
        json.push_str(",\"properties\":");
        push_object(json, &self.properties, |property, json| {
            json.push_str("{\"flags\":");
            push_json_string(&property.flags, json);
            json.push_str(",\"type\":");
            push_json_string(&property.signature, json);
            json.push('}');
        });
        json.push_str(",\"signals\":");
        push_object(json, &self.signals, |arguments, json| {
            json.push_str("{\"in\":");
            push_strings(arguments, json);
            json.push('}');
        });
        json.push('}');
    }

    /// Reads the interface `name` as it stands in `meta`.
    ///
    /// # Errors
    ///
    /// [`IntrospectionError::BadMeta`], the page's fault.
    pub fn from_meta(name: &str, meta: &Json) -> Result<Self, IntrospectionError> {
        Self::read_meta(meta).ok_or_else(|| IntrospectionError::BadMeta(name.to_owned()))
    }

    /// Writes the interface as introspection XML.
    pub fn push_xml(&self, name: &str, xml: &mut String) {
        // Writing into a String cannot fail.
        let _ = write!(xml, "<interface name=\"{}\">", escaped(name));
        for (name, method) in &self.methods {
            let _ = write!(xml, "<method name=\"{}\">", escaped(name));
            push_arguments(&method.inputs, " direction=\"in\"", xml);
            push_arguments(&method.outputs, " direction=\"out\"", xml);
            xml.push_str("</method>");
        }
        for (name, arguments) in &self.signals {
            let _ = write!(xml, "<signal name=\"{}\">", escaped(name));
            push_arguments(arguments, "", xml);
            xml.push_str("</signal>");
        }
        for (name, property) in &self.properties {
            let access = match property.flags.as_str() {
                "w" => "write",
                "rw" => "readwrite",
                _ => "read",
            };
            let (name, signature) = (escaped(name), escaped(&property.signature));
            let _ =
                write!(xml, "<property name=\"{name}\" type=\"{signature}\" access=\"{access}\"/>");
        }
        xml.push_str("</interface>");
    }

    fn read_meta(meta: &Json) -> Option<Self> {
        let meta = meta.as_object()?;
        let mut interface = Self::default();
        for (name, method) in members(meta, "methods")? {
            let inputs = signatures(method, "in")?;
            let outputs = signatures(method, "out")?;
            interface
                .methods
                .insert(name.clone(), Method { inputs, outputs });
        }
        for (name, property) in members(meta, "properties")? {
            let word = |member: &str| match property.get(member) {
                None => Some(String::new()),
                Some(value) => value.as_str().map(str::to_owned),
            };
            let property = Property { signature: word("type")?, flags: word("flags")? };
            signature::validate(&property.signature).ok()?;
            interface.properties.insert(name.clone(), property);
        }
        for (name, signal) in members(meta, "signals")? {
            interface
                .signals
                .insert(name.clone(), signatures(signal, "in")?);
        }
        Some(interface)
    }
}

/// The members of the object `name` in `meta`; none when it is absent.
fn members<'a>(meta: &'a Map<String, Json>, name: &str) -> Option<Vec<(&'a String, &'a Json)>> {
    match meta.get(name) {
        None => Some(Vec::new()),
        Some(Json::Object(members)) => Some(members.iter().collect()),
        Some(_) => None,
    }
}

fn signatures(member: &Json, name: &str) -> Option<Vec<String>> {
    let Some(list) = member.as_object()?.get(name) else {
        return Some(Vec::new());
    };
    list.as_array()?
        .iter()
        .map(|signature| {
            let text = signature.as_str()?;
            signature::validate_single(text.as_bytes()).ok()?;
            Some(text.to_owned())
        })
        .collect()
}

fn push_object<T>(
    json: &mut String,
    members: &BTreeMap<String, T>,
    value: impl Fn(&T, &mut String),
) {
    json.push('{');
    for (at, (name, member)) in members.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        push_json_string(name, json);
        json.push(':');
        value(member, json);
    }
    json.push('}');
}

fn push_strings(strings: &[String], json: &mut String) {
    json.push('[');
    for (at, string) in strings.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        push_json_string(string, json);
    }
    json.push(']');
}

fn push_arguments(signatures: &[String], direction: &str, xml: &mut String) {
    for signature in signatures {
        let _ = write!(xml, "<arg type=\"{}\"{direction}/>", escaped(signature));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// Puts an object together, tag by tag.
#[derive(Debug, Default)]
struct Builder {
    object: Introspection,
    /// How many elements are open. The object's own node is the first.
    depth: usize,
    interface: Option<String>,
    member: Option<Member>,
}

#[derive(Debug)]
enum Member {
    Method(String),
    Signal(String),
}

/// Depth of the elements directly within the object's node.
const WITHIN_NODE: usize = 1;

impl Builder {
    fn take(&mut self, tag: &Tag<'_>) {
        if tag.opens {
            self.open(tag);
            self.depth += 1;
        }
        if tag.closes {
            self.depth = self.depth.saturating_sub(1);
            self.close(tag.name);
        }
    }

    fn open(&mut self, tag: &Tag<'_>) {
        let name = tag.attribute("name");
        match (tag.name, self.depth, name) {
            ("node", WITHIN_NODE, Some(name)) => self.object.children.push(name.into_owned()),
            ("interface", WITHIN_NODE, Some(name)) => {
                let name = name.into_owned();
                self.object.interfaces.entry(name.clone()).or_default();
                self.interface = Some(name);
            }
            ("method", 2, Some(name)) => {
                if let Some(interface) = self.open_interface() {
                    interface.methods.entry(name.to_string()).or_default();
                }
                self.member = Some(Member::Method(name.into_owned()));
            }
            ("signal", 2, Some(name)) => {
                if let Some(interface) = self.open_interface() {
                    interface.signals.entry(name.to_string()).or_default();
                }
                self.member = Some(Member::Signal(name.into_owned()));
            }
            ("property", 2, Some(name)) => self.property(name.into_owned(), tag),
            ("arg", 3, _) => self.argument(tag),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match (name, self.depth) {
            ("interface", WITHIN_NODE) => self.interface = None,
            ("method" | "signal", 2) => self.member = None,
            _ => {}
        }
    }

    fn open_interface(&mut self) -> Option<&mut Interface> {
        self.object.interfaces.get_mut(self.interface.as_ref()?)
    }

    fn property(&mut self, name: String, tag: &Tag<'_>) {
        let signature = tag.attribute("type").unwrap_or_default().into_owned();
        let flags = match tag.attribute("access").as_deref() {
            Some("write") => "w",
            Some("readwrite") => "rw",
            _ => "r",
        };
        if let Some(interface) = self.open_interface() {
            let property = Property { signature, flags: flags.to_owned() };
            interface.properties.insert(name, property);
        }
    }

    fn argument(&mut self, tag: &Tag<'_>) {
        let signature = tag.attribute("type").unwrap_or_default().into_owned();
        let is_output = tag.attribute("direction").as_deref() == Some("out");
        let (Some(interface), Some(member)) = (
            self.interface
                .as_ref()
                .and_then(|name| self.object.interfaces.get_mut(name)),
            &self.member,
        ) else {
            return;
        };
        match member {
            Member::Method(name) => {
                if let Some(method) = interface.methods.get_mut(name) {
                    let arguments =
                        if is_output { &mut method.outputs } else { &mut method.inputs };
                    arguments.push(signature);
                }
            }
            Member::Signal(name) => {
                if let Some(arguments) = interface.signals.get_mut(name) {
                    arguments.push(signature);
                }
            }
        }
    }
}

/// A tag: `<name …>`, `</name>` or `<name …/>`.
#[derive(Debug)]
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, Cow<'a, str>)>,
    opens: bool,
    closes: bool,
}

impl Tag<'_> {
    fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.attributes.iter().find(|(known, _)| *known == name)?;
        Some(Cow::Borrowed(value.as_ref()))
    }
}

/// The tags of an XML text, one after the other.
#[derive(Debug)]
struct Tags<'a> {
    xml: &'a str,
    at: usize,
}

impl<'a> Tags<'a> {
    fn next_tag(&mut self) -> Result<Option<Tag<'a>>, IntrospectionError> {
        loop {
            let Some(start) = self.rest().find('<') else {
                return Ok(None);
            };
            self.at += start;
            if self.rest().starts_with("<!--") {
                self.skip_past("-->")?;
            } else if self.rest().starts_with("<![CDATA[") {
                self.skip_past("]]>")?;
            } else if self.rest().starts_with("<?") {
                self.skip_past("?>")?;
            } else if self.rest().starts_with("<!") {
                self.skip_past(">")?;
            } else {
                self.at += 1;
                return self.tag().map(Some);
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.xml.get(self.at..).unwrap_or_default()
    }

    fn skip_past(&mut self, end: &str) -> Result<(), IntrospectionError> {
        let length = self.rest().find(end).ok_or_else(|| self.bad())?;
        self.at += length + end.len();
        Ok(())
    }

    /// Reads a tag whose `<` was read.
    fn tag(&mut self) -> Result<Tag<'a>, IntrospectionError> {
        let is_end = self.skip('/');
        let name = self.word()?;
        let mut attributes = Vec::new();
        loop {
            self.skip_space();
            if self.skip('>') {
                return Ok(Tag { name, attributes, opens: !is_end, closes: is_end });
            }
            if self.skip('/') {
                return if self.skip('>') && !is_end {
                    Ok(Tag { name, attributes, opens: true, closes: true })
                } else {
                    Err(self.bad())
                };
            }
            attributes.push(self.attribute()?);
        }
    }

    fn attribute(&mut self) -> Result<(&'a str, Cow<'a, str>), IntrospectionError> {
        let name = self.word()?;
        self.skip_space();
        if !self.skip('=') {
            return Err(self.bad());
        }
        self.skip_space();
        let quote = if self.skip('"') {
            '"'
        } else if self.skip('\'') {
            '\''
        } else {
            return Err(self.bad());
        };
        let length = self.rest().find(quote).ok_or_else(|| self.bad())?;
        let value = self.rest().get(..length).unwrap_or_default();
        let value = unescaped(value).ok_or_else(|| self.bad())?;
        self.at += length + 1;
        Ok((name, value))
    }

    fn word(&mut self) -> Result<&'a str, IntrospectionError> {
        let rest = self.rest();
        let length = rest
            .find(|c: char| {
                c.is_ascii_whitespace() || matches!(c, '=' | '/' | '>' | '<' | '"' | '\'')
            })
            .unwrap_or(rest.len());
        if length == 0 {
            return Err(self.bad());
        }
        self.at += length;
        Ok(rest.get(..length).unwrap_or_default())
    }

    fn skip(&mut self, character: char) -> bool {
        let found = self.rest().starts_with(character);
        if found {
            self.at += character.len_utf8();
        }
        found
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    fn bad(&self) -> IntrospectionError {
        IntrospectionError::BadXml(self.at)
    }
}

/// An attribute's value without the five entities of XML; `None` when there is another.
fn unescaped(value: &str) -> Option<Cow<'_, str>> {
    if !value.contains('&') {
        return Some(Cow::Borrowed(value));
    }
    let mut plain = String::with_capacity(value.len());
    let mut parts = value.split('&');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (entity, rest) = part.split_once(';')?;
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        });
        plain.push_str(rest);
    }
    Some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const XML: &str = r#"<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
        "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
        <!-- <interface name="not.this.One"> -->
        <node name="/org/example">
          <interface name="org.example.One">
            <method name='Go'><arg name="to" type="s" direction="in"/><arg type="a{sv}" direction="out"/>
              <annotation name="org.freedesktop.DBus.Deprecated" value="&quot;true&quot;"/></method>
            <method name="Stop"/>
            <signal name="Gone"><arg type="u"/></signal>
            <property name="Speed" type="d" access="readwrite"/>
            <property name="Name" type="s" access="read"><annotation name="x" value="y"/></property>
          </interface>
          <node name="child"><interface name="org.example.NotOurs"/></node>
          <node name="other"/>
        </node>"#;

    #[test]
    fn interfaces_and_children_are_read_from_xml() {
        let object = Introspection::parse(XML).unwrap();
        assert_eq!(object.children, ["child", "other"]);
        assert_eq!(object.interfaces.keys().collect::<Vec<_>>(), ["org.example.One"]);
        let mut meta = String::new();
        object.interfaces["org.example.One"].push_meta(&mut meta);
        let expected = serde_json::json!({
            "methods": {"Go": {"in": ["s"], "out": ["a{sv}"]}, "Stop": {"in": [], "out": []}},
            "properties": {"Name": {"flags": "r", "type": "s"}, "Speed": {"flags": "rw", "type": "d"}},
            "signals": {"Gone": {"in": ["u"]}},
        });
        assert_eq!(serde_json::from_str::<Json>(&meta).unwrap(), expected);
    }

    #[test]
    fn an_interface_comes_back_from_its_meta_and_from_its_xml() {
        let interface = Introspection::parse(XML).unwrap().interfaces["org.example.One"].clone();
        let (mut meta, mut xml) = (String::new(), String::from("<node>"));
        interface.push_meta(&mut meta);
        interface.push_xml("org.example.One", &mut xml);
        xml.push_str("</node>");

        let meta = serde_json::from_str(&meta).unwrap();
        assert_eq!(Interface::from_meta("org.example.One", &meta), Ok(interface.clone()));
        assert_eq!(Introspection::parse(&xml).unwrap().interfaces["org.example.One"], interface);
    }

    #[test]
    fn malformed_meta_is_refused() {
        for wrong in [
            serde_json::json!([]),
            serde_json::json!({"methods": []}),
            serde_json::json!({"methods": {"A": {"in": "s"}}}),
            serde_json::json!({"methods": {"A": {"in": ["ss"]}}}),
            serde_json::json!({"properties": {"A": {"type": "z"}}}),
        ] {
            assert!(Interface::from_meta("a.b", &wrong).is_err(), "{wrong}");
        }
        assert!(Interface::from_meta("a.b", &serde_json::json!({"methods": {"A": {}}})).is_ok());
    }

    #[test]
    fn what_is_not_xml_is_refused() {
        for wrong in
            ["<", "<node", "<node a>", "<node a=b>", "<node a=\"&x;\">", "<!-- ", "< >", "</a/>"]
        {
            assert!(Introspection::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Introspection::parse(""), Ok(Introspection::default()));
    }

    proptest! {
        #[test]
        fn any_text_never_panics(text in r#"([<>/='"!? &;\-a-zä\[\]]|node|interface|method|arg|name){0,60}"#) {
            let _refused_or_not = Introspection::parse(&text);
        }
    }
}
