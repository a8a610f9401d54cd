//! Titles and narratives: common words often, places and firms seldom, now and then a sentence in Chinese. None of it means anything.

use rand::{Rng as _, rngs::StdRng};

/// Common ones first: how far down a word stands says how seldom it is.
const WORDS: &str = "the of and a in to was with from by at on officers parcel found seized powder for were as inspection customs mail \
    package shipment declared white concealed bag inside which label sender address laboratory sample kilograms grams examined field \
    test positive plastic container express consignment destined route warehouse tablets blue pressed courier freight pallet invoice \
    described toner printer accessories toys supplements chemicals reagents cosmetics textile machine parts sealed wrapped foil carbon \
    paper vacuum bottle drum barrel box envelope cavity panel dashboard suitcase lining shoes crate vehicle lorry trailer driver \
    passenger flight vessel port airport crossing facility terminal yard rail station canine alert scan image density anomaly tip \
    information request partner agency notified evidence retained custody chain transferred forensic chemist report pending returned \
    identified mixture trace residue purity diluted adulterant cutting agent precursor solvent synthesis equipment press mould die \
    stamp vendor market forum messenger payment currency wallet transfer account buyer reshipper storefront advertised listing handle \
    alias repeat pattern earlier linked consignee unknown fictitious vacant premises controlled delivery arrest interview statement \
    prosecution court docket sentence forfeiture notice destroyed ledger telephone device examination export import licence broker \
    manufacturer supplier factory industrial park province harbour depot magnet spectrometer balance gloves";

const FIRST: &str = "north south east west old new high low green grey red white black stone river lake hill wood sand clay iron \
    silver amber cedar maple birch oak elm ash thorn fern heather marsh moor glen fair long broad deep bright cold winter summer \
    spring autumn eagle heron raven swan fox hart wolf bear salmon anchor harbour mill bridge king queen abbot market";
const SECOND: &str = "gate ford field bridge port haven stead ton ham wick worth by dale ley den hurst mouth bury burgh stone wood \
    hill cliff bank shore side view point end cross way park grove lake brook well spring mill fall moor marsh croft holm ness toft \
    thorpe cote low fold garth royd shaw slade combe tor wold weir quay";

/// Parts of sentences, without blanks as they are written.
const CHINESE: [&str; 32] = [
    "海关在国际邮件处理中心查获",
    "内藏白色粉末的包裹",
    "申报品名为打印机墨粉",
    "经实验室检验",
    "检出卡芬太尼成分",
    "检出芬太尼类物质",
    "寄往北美洲",
    "收件人地址不详",
    "发件公司为化工贸易企业",
    "样品已送检",
    "检验报告尚未出具",
    "证据由侦查部门保管",
    "请求提供运单复印件",
    "未发现其他可疑物品",
    "该批货物经第三国转运",
    "由快递公司承运",
    "集装箱夹层内发现",
    "前体化学品共两桶",
    "压片机及模具一套",
    "付款方式为虚拟货币",
    "网络店铺已关闭",
    "涉案账户已冻结",
    "嫌疑人已被移送审查起诉",
    "法院已作出判决",
    "经双方核实为同一案件",
    "原产地尚待确认",
    "已通报有关国家主管部门",
    "禁毒部门开展联合调查",
    "毛重约数公斤",
    "纯度检测结果待补充",
    "机场货运站查验时发现",
    "港口监管区内查获",
];

/// What texts are made of.
pub struct Words {
    common: Vec<&'static str>,
    places: Vec<String>,
}

impl Words {
    pub fn new() -> Self {
        let seconds: Vec<&str> = SECOND.split_whitespace().collect();
        let places = FIRST
            .split_whitespace()
            .flat_map(|first| seconds.iter().map(move |second| format!("{first}{second}")))
            .collect();
        Self {
            common: WORDS.split_whitespace().collect(),
            places,
        }
    }

    /// Two words that some texts have, one common and one not.
    pub fn two(&self) -> [&str; 2] {
        [self.common[170], &self.places[40]]
    }

    /// A stretch of a sentence that some texts have.
    pub fn chinese() -> &'static str {
        "打印机墨粉"
    }

    /// A place, the first ones more often.
    pub fn place(&self, rng: &mut StdRng) -> &str {
        &self.places[skewed(rng, self.places.len(), 2)]
    }

    /// A firm, of a few thousand.
    pub fn firm(&self, rng: &mut StdRng) -> String {
        let place = self.place(rng);
        let (first, rest) = place.split_at(1);
        let kind = ["Chemical", "Trading", "Logistics", "Pharma"][rng.random_range(0..4)];
        format!("{}{rest} {kind} Co., Ltd.", first.to_uppercase())
    }

    /// 30 to 80 words, one in ten with Chinese behind them.
    pub fn narrative(&self, rng: &mut StdRng) -> String {
        let mut text = String::new();
        for n in 0..rng.random_range(30..=80) {
            if n > 0 {
                text += if n % 13 == 0 { ". " } else { " " };
            }
            text += match rng.random_ratio(1, 8) {
                true => self.place(rng),
                false => self.common[skewed(rng, self.common.len(), 3)],
            };
        }
        if rng.random_ratio(1, 10) {
            for _ in 0..rng.random_range(2..=5) {
                text += "。";
                text += CHINESE[skewed(rng, CHINESE.len(), 2)];
            }
        }
        text
    }
}

/// An index below `length`; the higher the power, the more often a small one.
pub fn skewed(rng: &mut StdRng, length: usize, power: i32) -> usize {
    let place = rng.random::<f64>().powi(power) * length as f64;
    (place as usize).min(length - 1)
}

/// Each pair of neighbouring Chinese characters as a word of its own, as who indexes Chinese with PostgreSQL's own parser does.
pub fn with_pairs(text: &str) -> String {
    let is_chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        if !is_chinese(c) {
            out.push(c);
            before = None;
            continue;
        }
        if let Some(before) = before.replace(c) {
            out.extend([' ', before, c, ' ']);
        }
    }
    out
}
