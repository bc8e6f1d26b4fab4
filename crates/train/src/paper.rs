//! The paper's values for what a recipe leaves out (methods.md 0): those of the method's row in the registry, and what
//! LARS changes.

use parallax_methods::MethodKind;
use toml::{Table, Value};

use crate::error::RecipeError;
use crate::recipe::OptimizerKind;

/// Fills in the keys that `recipe` leaves out. An unknown method or optimiser is left for the parser to report.
///
/// # Errors
/// Where the paper has no value: the learning rate of LARS for other than 100, 200 or 300 epochs.
pub fn fill(recipe: &mut Table) -> Result<(), RecipeError> {
    let text = |section: &str, key: &str| {
        let value = recipe.get(section).and_then(|section| section.get(key));
        value
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_string()
    };
    let (method, optimizer) = (text("method", "name"), text("optimizer", "name"));
    let Some(method) = MethodKind::find(&method) else {
        return Ok(());
    };
    let optimizer = match optimizer.as_str() {
        "lars" => OptimizerKind::Lars,
        _ => OptimizerKind::Sgd,
    };
    let epochs = recipe.get("run").and_then(|run| run.get("epochs"));
    let epochs = epochs.and_then(Value::as_integer).unwrap_or(200);
    let given = recipe
        .get("optimizer")
        .and_then(|section| section.get("base_lr"));
    if optimizer == OptimizerKind::Lars && given.is_none() && ![100, 200, 300].contains(&epochs) {
        return Err(RecipeError::Value {
            key: "optimizer.base_lr".to_string(),
            reason: format!(
                "must be given: the paper has learning rates of LARS for 100, 200 and 300 epochs (0.45, 0.3, 0.3), \
                 not for {epochs}"
            ),
        });
    }
    for (section, key, value) in values(method, optimizer, epochs) {
        let section = recipe
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Some(section) = section.as_table_mut() {
            section.entry(key).or_insert(value);
        }
    }
    Ok(())
}

type Default = (&'static str, &'static str, Value);

fn values(method: MethodKind, optimizer: OptimizerKind, epochs: i64) -> Vec<Default> {
    let defaults = method.spec().defaults;
    let integer = |value: usize| Value::Integer(value as i64);
    let number = Value::Float;
    let text = |text: &str| Value::String(text.to_string());
    let (base_lr, weight_decay, online_lr) = match optimizer {
        OptimizerKind::Sgd => (defaults.base_lr, 1e-4, 30.0),
        // 0.45 for 100 epochs, 0.3 for 200 and 300 (methods.md 3.7).
        OptimizerKind::Lars if epochs <= 100 => (0.45, 1e-6, 0.2),
        OptimizerKind::Lars => (0.3, 1e-6, 0.2),
    };
    let online = Value::Boolean(defaults.online_classifier);
    let mut values = vec![
        ("method", "hidden", integer(defaults.hidden)),
        ("method", "queue", integer(65_536)),
        ("method", "momentum", number(defaults.ema_momentum)),
        ("method", "momentum_schedule", text(defaults.ema_schedule)),
        ("method", "temperature", number(defaults.temperature)),
        ("method", "bn_groups", integer(1)),
        ("optimizer", "base_lr", number(base_lr)),
        ("optimizer", "weight_decay", number(weight_decay)),
        ("schedule", "kind", text(defaults.lr_schedule)),
        ("probe", "online", online),
        ("probe", "online_lr", number(online_lr)),
    ];
    if let Ok(bn) = Value::try_from(method.bn()) {
        values.push(("method", "bn", bn));
    }
    if let Some(out) = defaults.out {
        values.push(("method", "out", integer(out)));
    }
    values
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::recipe::Recipe;

    fn of(text: &str) -> Recipe {
        Recipe::parse(text, &[]).unwrap()
    }

    #[test]
    fn each_method_has_its_own_values() {
        let v1 = of("[method]\nname = 'moco-v1'");
        assert_eq!((v1.method.temperature, v1.method.momentum), (0.07, 0.999));
        assert_eq!((v1.method.out, v1.optimizer.base_lr), (Some(128), 0.03));
        let v2 = of("[method]\nname = 'moco-v2'\nout = 64");
        assert_eq!((v2.method.hidden, v2.method.out), (2048, Some(64)));
        let byol = of("[method]\nname = 'byol'");
        assert_eq!((byol.method.hidden, byol.method.out), (4096, Some(256)));
        assert!(byol.probe.online && byol.probe.online_lr == 30.0);
        let supervised = of("[method]\nname = 'supervised'");
        assert_eq!(supervised.optimizer.base_lr, 0.1);
        assert_eq!(supervised.method.out, None);
        assert!(!supervised.probe.online);
        let lars = "[method]\nname = 'byol'\n[optimizer]\nname = 'lars'\n[run]\nepochs = ";
        let short = of(&format!("{lars}100"));
        assert_eq!(
            (short.optimizer.base_lr, short.optimizer.weight_decay),
            (0.45, 1e-6)
        );
        assert_eq!(short.probe.online_lr, 0.2);
        assert_eq!(of(&format!("{lars}300")).optimizer.base_lr, 0.3);
        // The paper has no rate for other lengths.
        let other = Recipe::parse(&format!("{lars}150"), &[]).unwrap_err();
        assert!(other.to_string().contains("optimizer.base_lr"), "{other}");
        let rate = ["optimizer.base_lr=0.4".to_string()];
        let given = Recipe::parse(&format!("{lars}150"), &rate).unwrap();
        assert_eq!(given.optimizer.base_lr, 0.4);
    }
}
