//! detectron2's names of a model's tensors.
//!
//! The fields of our modules follow torchvision within a ResNet and number layers in lists; files have detectron2's names.

/// A tensor's name in files, from the path of fields to it.
///
/// ```
/// use parallax_transfer::to_detectron2;
///
/// assert_eq!(to_detectron2("backbone.layer1.0.bn1.bias"), "backbone.res2.0.conv1.norm.bias");
/// assert_eq!(to_detectron2("roi_heads.box_head.conv.0.weight"), "roi_heads.box_head.conv1.weight");
/// ```
pub fn to_detectron2(name: &str) -> String {
    for prefix in ["backbone.bottom_up.", "backbone."] {
        if let Some(rest) = name.strip_prefix(prefix)
            && !rest.starts_with("lateral.")
            && !rest.starts_with("output.")
        {
            return format!("{prefix}{}", parallax_weights::to_detectron2(rest));
        }
    }
    if let Some(rest) = name.strip_prefix("roi_heads.res5.") {
        let block = parallax_weights::to_detectron2(&format!("layer4.{rest}"));
        return format!("roi_heads.{block}");
    }
    if let Some(rest) = name.strip_prefix("roi_heads.norm.") {
        return format!("roi_heads.res5.norm.{rest}");
    }
    if let Some(rest) = name.strip_prefix("sem_seg_head.aspp.pooling.") {
        return format!("sem_seg_head.aspp.convs.4.1.{rest}");
    }
    // Lists of layers, and the number of their first one.
    for (list, layer, first) in [
        ("backbone.lateral.", "backbone.fpn_lateral", 2),
        ("backbone.output.", "backbone.fpn_output", 2),
        ("roi_heads.box_head.conv.", "roi_heads.box_head.conv", 1),
        (
            "roi_heads.mask_head.fcn.",
            "roi_heads.mask_head.mask_fcn",
            1,
        ),
    ] {
        let numbered = name.strip_prefix(list).and_then(|rest| {
            let (number, rest) = rest.split_once('.')?;
            Some((number.parse::<usize>().ok()?, rest))
        });
        if let Some((number, rest)) = numbered {
            return format!("{layer}{}.{rest}", number + first);
        }
    }
    name.to_string()
}
