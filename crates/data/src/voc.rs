//! Annotations of PASCAL VOC: an XML file an image, with boxes.

use roxmltree::{Document, Node};

use crate::error::DataError;

/// The annotation of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct VocAnnotation {
    /// Width and height of the image in pixels, where the file says them.
    pub size: Option<[u32; 2]>,
    /// The objects in the order of the file.
    pub objects: Vec<VocObject>,
}

/// An object with its box.
#[derive(Clone, Debug, PartialEq)]
pub struct VocObject {
    /// The name of its class.
    pub name: String,
    /// xmin, ymin, xmax, ymax as the file has them: pixels from 1, both ends inside.
    pub corners: [f64; 4],
    /// Whether evaluation ignores it.
    pub difficult: bool,
}

impl VocAnnotation {
    /// Reads the text of an XML file; `name` is the file's in errors.
    ///
    /// # Errors
    /// When the text is not XML, a field is missing or not a number, or a box has no area.
    pub fn parse(name: &str, text: &str) -> Result<Self, DataError> {
        let wrong = |reason: String| DataError::Annotation {
            name: name.to_string(),
            reason,
        };
        let document =
            Document::parse(text).map_err(|error| wrong(format!("not valid XML: {error}")))?;
        let root = document.root_element();
        if root.tag_name().name() != "annotation" {
            return Err(wrong(format!(
                "the root element is <{}>, <annotation> is needed",
                root.tag_name().name()
            )));
        }
        let mut objects = Vec::new();
        for (number, node) in children(root, "object").enumerate() {
            let object =
                object(node).map_err(|reason| wrong(format!("object {}: {reason}", number + 1)))?;
            objects.push(object);
        }
        let size = match child(root, "size") {
            Some(size) => {
                let side = |tag| number(size, tag).map(|value| value as u32);
                Some([side("width"), side("height")])
            }
            None => None,
        };
        let size = match size {
            Some([width, height]) => Some([width.map_err(wrong)?, height.map_err(wrong)?]),
            None => None,
        };
        Ok(Self { size, objects })
    }
}

fn object(node: Node<'_, '_>) -> Result<VocObject, String> {
    let name = text(node, "name")?.to_string();
    let bounds = child(node, "bndbox").ok_or("<bndbox> is missing")?;
    let mut corners = [0.0; 4];
    for (corner, tag) in corners.iter_mut().zip(["xmin", "ymin", "xmax", "ymax"]) {
        *corner = number(bounds, tag)?;
    }
    let [xmin, ymin, xmax, ymax] = corners;
    if xmax < xmin || ymax < ymin {
        return Err(format!(
            "the box ({xmin}, {ymin}) to ({xmax}, {ymax}) has no area"
        ));
    }
    let difficult = match child(node, "difficult") {
        Some(_) => number(node, "difficult")? != 0.0,
        None => false,
    };
    Ok(VocObject {
        name,
        corners,
        difficult,
    })
}

fn children<'a, 'i>(node: Node<'a, 'i>, tag: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name(tag))
}

fn child<'a, 'i>(node: Node<'a, 'i>, tag: &str) -> Option<Node<'a, 'i>> {
    children(node, tag).next()
}

fn text<'a>(node: Node<'a, '_>, tag: &str) -> Result<&'a str, String> {
    let found = child(node, tag).ok_or_else(|| format!("<{tag}> is missing"))?;
    let text = found.text().map(str::trim).unwrap_or_default();
    match text.is_empty() {
        true => Err(format!("<{tag}> is empty")),
        false => Ok(text),
    }
}

fn number(node: Node<'_, '_>, tag: &str) -> Result<f64, String> {
    let text = text(node, tag)?;
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
    value.ok_or_else(|| format!("<{tag}> is '{text}', not a number"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(objects: &str) -> Result<VocAnnotation, DataError> {
        let text = format!(
            "<annotation><size><width>30</width><height>20</height><depth>3</depth></size>{objects}</annotation>"
        );
        VocAnnotation::parse("000001.xml", &text)
    }

    const BOX: &str =
        "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>10.5</xmax><ymax>9</ymax></bndbox>";

    #[test]
    fn objects_have_names_boxes_and_a_difficult_flag() {
        let found = parse(&format!(
            "<object><name>dog</name><difficult>1</difficult>{BOX}</object><object><name> cat\n</name>{BOX}</object>"
        ));
        let found = found.unwrap();
        assert_eq!(found.size, Some([30, 20]));
        assert_eq!(found.objects.len(), 2);
        assert_eq!(found.objects[0].corners, [2.0, 3.0, 10.5, 9.0]);
        assert!(found.objects[0].difficult && !found.objects[1].difficult);
        assert_eq!(found.objects[1].name, "cat");
        assert!(parse("").unwrap().objects.is_empty());
    }

    #[test]
    fn an_error_names_file_object_and_field() {
        let message = |objects: &str| parse(objects).unwrap_err().to_string();
        let without = message("<object><name>dog</name></object>");
        assert_eq!(without, "000001.xml: object 1: <bndbox> is missing");
        let text = BOX.replace("10.5", "x");
        let found = message(&format!("<object><name>dog</name>{text}</object>"));
        assert!(found.contains("<xmax> is 'x', not a number"), "{found}");
        let text = BOX.replace("10.5", "1");
        let found = message(&format!("<object><name>dog</name>{text}</object>"));
        assert!(found.contains("has no area"), "{found}");
        assert!(message("<object>").contains("not valid XML"));
    }
}
