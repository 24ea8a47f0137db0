//! Volume types with what belongs to them, and qos specs.

use std::time::Duration;

use db::qos_specs::{self, QosSpecs};
use db::types::defaults::{self, DefaultType};
use db::types::encryption::{self, Encryption};
use db::types::{self, VolumeType, access, extra_specs};
use db::{Direction, Filter, ListQuery, Pairs, Scope, volumes};
use domain::{Error, Kind};

use crate::lab::{DEFAULT_TYPE_ID, Lab, all, at, project, volume};

fn kind(id: &str, secs: i64) -> VolumeType {
    VolumeType {
        id: id.into(),
        name: format!("name of {id}"),
        description: None,
        is_public: true,
        qos_specs_id: None,
        created_at: at(secs),
        updated_at: None,
    }
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Pairs {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn encryption(type_id: &str) -> Encryption {
    Encryption {
        volume_type_id: type_id.into(),
        encryption_id: format!("encryption of {type_id}"),
        provider: "luks".into(),
        cipher: None,
        key_size_bits: Some(256),
        control_location: "front-end".into(),
        created_at: at(1),
        updated_at: None,
    }
}

async fn refusal_of<T: std::fmt::Debug>(lab: &Lab, act: impl AsyncFnOnce(&mut db::Conn) -> domain::Result<T>) -> Error {
    let mut tx = lab.database.begin("test").await.expect("begin");
    act(&mut tx).await.expect_err("refused")
}

async fn page(lab: &Lab, filters: Vec<Filter>) -> Vec<String> {
    let query = ListQuery { filters, sort: vec![("name", Direction::Ascending)], ..all() };
    let found = types::page(&mut lab.read().await, &query).await.expect("page");
    found.into_iter().map(|kind| kind.id).collect()
}

pub(crate) async fn types_are_found_by_id_and_name(lab: Lab) {
    let mut conn = lab.read().await;
    let all = types::list(&mut conn).await.expect("list");
    assert_eq!(all.iter().map(|kind| kind.id.as_str()).collect::<Vec<_>>(), [DEFAULT_TYPE_ID]);
    let by_name = types::find(&mut conn, &Scope::All, types::DEFAULT_NAME).await.expect("find").expect("the default");
    assert!(by_name.is_public);
    assert_eq!(types::find(&mut conn, &Scope::All, &by_name.id).await.expect("find"), Some(by_name.clone()));
    assert_eq!(types::find(&mut conn, &Scope::All, "gold").await.expect("find"), None);
    // An id wins over a name that looks like it.
    let impostor = VolumeType { name: DEFAULT_TYPE_ID.into(), ..kind("impostor", 1) };
    lab.commit(async |conn| types::insert(conn, &impostor).await).await;
    assert_eq!(types::find(&mut conn, &Scope::All, DEFAULT_TYPE_ID).await.expect("find"), Some(by_name));
}

pub(crate) async fn names_of_types_are_unique(lab: Lab) {
    let (gold, silver) = (kind("gold", 1), kind("silver", 2));
    lab.commit(async |conn| {
        types::insert(conn, &gold).await?;
        types::insert(conn, &silver).await
    })
    .await;
    let twin = VolumeType { name: gold.name.clone(), ..kind("twin", 3) };
    let refusal = refusal_of(&lab, async |conn| types::insert(conn, &twin).await).await;
    assert_eq!((refusal.kind(), refusal.message()), (Kind::Conflict, "Volume Type name of gold already exists."));
    let renamed = VolumeType { name: gold.name.clone(), ..silver.clone() };
    assert_eq!(refusal_of(&lab, async |conn| types::update(conn, &renamed).await).await.kind(), Kind::Conflict);
    let changed =
        VolumeType { description: Some("d".into()), is_public: false, updated_at: Some(at(4)), ..silver.clone() };
    lab.commit(async |conn| types::update(conn, &changed).await).await;
    assert_eq!(types::get(&mut lab.read().await, &Scope::All, "silver").await.expect("get"), changed);
}

pub(crate) async fn private_types_are_seen_by_whom_they_are_granted(lab: Lab) {
    let private = VolumeType { is_public: false, ..kind("private", 1) };
    lab.commit(async |conn| {
        types::insert(conn, &private).await?;
        assert!(access::add(conn, &private.id, "p1").await?);
        assert!(!access::add(conn, &private.id, "p1").await?, "granted already");
        Ok(())
    })
    .await;
    let mut conn = lab.read().await;
    assert_eq!(access::list(&mut conn, &private.id).await.expect("list"), ["p1"]);
    let (ours, theirs) = (project("p1"), project("p2"));
    assert_eq!(types::get(&mut conn, &ours, "private").await.expect("get"), private);
    let missing = types::get(&mut conn, &theirs, "private").await.expect_err("missing");
    assert_eq!(missing.message(), "Volume type private could not be found.");
    assert_eq!(types::find(&mut conn, &theirs, &private.name).await.expect("find"), None);
    assert_eq!(types::find(&mut conn, &ours, &private.name).await.expect("find"), Some(private));
    assert_eq!(page(&lab, vec![Filter::UsableBy("p1".into())]).await, [DEFAULT_TYPE_ID, "private"]);
    assert_eq!(page(&lab, vec![Filter::UsableBy("p2".into())]).await, [DEFAULT_TYPE_ID]);
    assert_eq!(page(&lab, vec![Filter::IsTrue("is_public", false)]).await, ["private"]);
    assert!(lab.commit(async |conn| access::remove(conn, "private", "p1").await).await);
    assert!(!lab.commit(async |conn| access::remove(conn, "private", "p1").await).await, "taken away already");
}

pub(crate) async fn types_are_selected_by_their_specs(lab: Lab) {
    lab.commit(async |conn| {
        for id in ["gold", "silver"] {
            types::insert(conn, &kind(id, 1)).await?;
            extra_specs::merge(conn, id, &pairs([("speed", id), ("zones", "north, South_1")])).await?;
        }
        Ok(())
    })
    .await;
    let spec = |value: &str| vec![Filter::ExtraSpec("speed".into(), value.into())];
    assert_eq!(page(&lab, spec("gold")).await, ["gold"]);
    assert_eq!(page(&lab, spec("gol")).await, Vec::<String>::new());
    let part = |part: &str| vec![Filter::ExtraSpecLike("zones".into(), part.into())];
    assert_eq!(page(&lab, part("south_1")).await, ["gold", "silver"]);
    assert_eq!(page(&lab, part("south%")).await, Vec::<String>::new());
    assert!(lab.commit(async |conn| extra_specs::remove(conn, "gold", "speed").await).await);
    assert!(!lab.commit(async |conn| extra_specs::remove(conn, "gold", "speed").await).await);
    let mut conn = lab.read().await;
    let known = extra_specs::get_many(&mut conn, &["gold".into(), "silver".into(), "none".into()]).await.expect("get");
    assert_eq!(known.keys().collect::<Vec<_>>(), ["gold", "silver"]);
    assert_eq!(known["gold"], pairs([("zones", "north, South_1")]));
}

pub(crate) async fn a_type_takes_its_own_with_it(lab: Lab) {
    lab.commit(async |conn| {
        types::insert(conn, &kind("gold", 1)).await?;
        extra_specs::merge(conn, "gold", &pairs([("a", "b")])).await?;
        access::add(conn, "gold", "p1").await?;
        assert!(encryption::insert(conn, &encryption("gold")).await?);
        assert!(!encryption::insert(conn, &encryption("gold")).await?, "it has one");
        Ok(())
    })
    .await;
    let summaries = types::summaries(&mut lab.read().await, &["gold".into(), DEFAULT_TYPE_ID.into()]).await;
    let summaries = summaries.expect("summaries");
    assert_eq!(summaries["gold"], types::Summary { name: "name of gold".into(), is_encrypted: true });
    assert!(!summaries[DEFAULT_TYPE_ID].is_encrypted);
    let changed = Encryption { cipher: Some("aes".into()), updated_at: Some(at(2)), ..encryption("gold") };
    lab.commit(async |conn| encryption::update(conn, &changed).await).await;
    assert_eq!(encryption::get(&mut lab.read().await, "gold").await.expect("get"), Some(changed));
    lab.commit(async |conn| types::delete(conn, "gold").await).await;
    let mut conn = lab.read().await;
    assert_eq!(extra_specs::get(&mut conn, "gold").await.expect("get"), Pairs::new());
    assert_eq!(access::list(&mut conn, "gold").await.expect("list"), Vec::<String>::new());
    assert_eq!(encryption::get(&mut conn, "gold").await.expect("get"), None);
    assert!(!lab.commit(async |conn| encryption::delete(conn, "gold").await).await);
}

pub(crate) async fn a_group_type_is_touched(lab: Lab) {
    let find = async |conn: &mut db::Conn| db::group_types::find(conn, "default_cgsnapshot_type").await;
    let kind = find(&mut lab.read().await).await.expect("find").expect("it is there from the start");
    lab.commit(async |conn| db::group_types::touch(conn, kind.id, at(9)).await).await;
    let touched = find(&mut lab.read().await).await.expect("find").expect("a type");
    assert_eq!(touched.updated_at, Some(at(9)));
}

pub(crate) async fn a_type_in_use_stays(lab: Lab) {
    let of_gold = domain::volume::Volume { volume_type_id: "gold".into(), ..volume(1) };
    lab.commit(async |conn| {
        types::insert(conn, &kind("gold", 1)).await?;
        assert!(!types::is_in_use(conn, "gold").await?);
        volumes::insert(conn, &of_gold).await
    })
    .await;
    assert!(lab.commit(async |conn| types::is_in_use(conn, "gold").await).await);
    assert_eq!(refusal_of(&lab, async |conn| types::delete(conn, "gold").await).await.kind(), Kind::Conflict);
    lab.commit(async |conn| volumes::delete(conn, of_gold.id).await).await;
    lab.commit(async |conn| types::delete(conn, "gold").await).await;
}

pub(crate) async fn no_volume_comes_between_the_question_and_the_change(lab: Lab) {
    lab.commit(async |conn| types::insert(conn, &kind("gold", 1)).await).await;
    let mut tx = lab.database.begin("test").await.expect("begin");
    assert!(!types::is_in_use(&mut tx, "gold").await.expect("asked"));
    let other = lab.clone();
    let mut newcomer = stdx::task::spawn("newcomer", async move {
        let of_gold = domain::volume::Volume { volume_type_id: "gold".into(), ..volume(1) };
        other.commit(async |conn| volumes::insert(conn, &of_gold).await).await;
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut newcomer).await.is_err(), "it had to wait");
    encryption::insert(&mut tx, &encryption("gold")).await.expect("inserted");
    tx.commit().await.expect("commit");
    newcomer.await.expect("it came afterwards");
    assert!(lab.commit(async |conn| types::is_in_use(conn, "gold").await).await);
}

pub(crate) async fn a_projects_default_holds_its_type(lab: Lab) {
    let default = DefaultType { project_id: "p1".into(), volume_type_id: "gold".into() };
    lab.commit(async |conn| {
        types::insert(conn, &kind("gold", 1)).await?;
        defaults::set(conn, &DefaultType { volume_type_id: DEFAULT_TYPE_ID.into(), ..default.clone() }).await?;
        defaults::set(conn, &default).await
    })
    .await;
    let mut conn = lab.read().await;
    assert_eq!(defaults::get(&mut conn, "p1").await.expect("get"), Some(default.clone()));
    assert_eq!(defaults::get(&mut conn, "p2").await.expect("get"), None);
    assert_eq!(defaults::list(&mut conn).await.expect("list"), std::slice::from_ref(&default));
    assert!(defaults::is_any(&mut conn, "gold").await.expect("asked"));
    assert_eq!(refusal_of(&lab, async |conn| types::delete(conn, "gold").await).await.kind(), Kind::Conflict);
    let unknown = DefaultType { volume_type_id: "none".into(), ..default };
    assert_eq!(refusal_of(&lab, async |conn| defaults::set(conn, &unknown).await).await.kind(), Kind::Conflict);
    lab.commit(async |conn| defaults::unset(conn, "p1").await).await;
    assert!(!defaults::is_any(&mut conn, "gold").await.expect("asked"));
}

pub(crate) async fn qos_specs_hold_on_to_their_types(lab: Lab) {
    let specs = |id: &str| QosSpecs {
        id: id.into(),
        name: format!("name of {id}"),
        consumer: "both".into(),
        created_at: at(1),
        updated_at: None,
    };
    lab.commit(async |conn| {
        types::insert(conn, &kind("gold", 1)).await?;
        types::insert(conn, &kind("silver", 2)).await?;
        qos_specs::insert(conn, &specs("fast"), &pairs([("iops", "9"), ("bytes", "1")])).await?;
        qos_specs::insert(conn, &specs("slow"), &Pairs::new()).await?;
        assert!(types::set_qos_specs(conn, "gold", "fast", at(2)).await?);
        assert!(types::set_qos_specs(conn, "gold", "fast", at(2)).await?, "the same ones again");
        assert!(!types::set_qos_specs(conn, "gold", "slow", at(2)).await?, "others");
        assert!(types::set_qos_specs(conn, "silver", "fast", at(2)).await?);
        assert!(qos_specs::update(conn, "fast", Some("back-end"), &pairs([("iops", "10")]), at(3)).await?);
        assert!(!qos_specs::update(conn, "none", None, &pairs([("iops", "10")]), at(3)).await?);
        assert!(qos_specs::remove(conn, "fast", "bytes").await?);
        assert!(!qos_specs::remove(conn, "fast", "bytes").await?);
        Ok(())
    })
    .await;
    let twin = QosSpecs { name: "name of fast".into(), ..specs("twin") };
    let refusal = refusal_of(&lab, async |conn| qos_specs::insert(conn, &twin, &Pairs::new()).await).await;
    assert_eq!((refusal.kind(), refusal.message()), (Kind::Conflict, "QoS Specs name of fast already exists."));
    let mut conn = lab.read().await;
    let changed = QosSpecs { consumer: "back-end".into(), updated_at: Some(at(3)), ..specs("fast") };
    assert_eq!(qos_specs::get(&mut conn, "fast").await.expect("get"), changed);
    assert_eq!(qos_specs::values(&mut conn, "fast").await.expect("values"), pairs([("iops", "10")]));
    assert_eq!(qos_specs::page(&mut conn, &all()).await.expect("page").len(), 2);
    let of_fast = types::of_qos_specs(&mut conn, "fast").await.expect("types");
    assert_eq!(of_fast.iter().map(|kind| kind.id.as_str()).collect::<Vec<_>>(), ["gold", "silver"]);
    assert_eq!(refusal_of(&lab, async |conn| qos_specs::delete(conn, "fast").await).await.kind(), Kind::Conflict);
    lab.commit(async |conn| types::clear_qos_specs(conn, Some("gold"), "slow", at(4)).await).await;
    assert_eq!(types::of_qos_specs(&mut conn, "fast").await.expect("types").len(), 2, "they were others");
    lab.commit(async |conn| types::clear_qos_specs(conn, Some("gold"), "fast", at(4)).await).await;
    assert_eq!(types::of_qos_specs(&mut conn, "fast").await.expect("types").len(), 1);
    lab.commit(async |conn| types::clear_qos_specs(conn, None, "fast", at(5)).await).await;
    lab.commit(async |conn| qos_specs::delete(conn, "fast").await).await;
    let missing = qos_specs::get(&mut conn, "fast").await.expect_err("missing");
    assert_eq!(missing.message(), "No such QoS spec fast.");
}
