//! Titles and narratives as agencies write them, from few words that are used often and many that are rare: every third is
//! Chinese, the others English, and each has a number that no other has.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

const ENGLISH: [&str; 64] = [
    "the",
    "of",
    "in",
    "a",
    "and",
    "was",
    "from",
    "to",
    "parcel",
    "found",
    "with",
    "by",
    "on",
    "powder",
    "officers",
    "fentanyl",
    "white",
    "at",
    "were",
    "for",
    "mail",
    "declared",
    "as",
    "kilograms",
    "package",
    "seized",
    "shipment",
    "grams",
    "examination",
    "laboratory",
    "sample",
    "test",
    "substance",
    "that",
    "which",
    "concealed",
    "inside",
    "label",
    "sender",
    "address",
    "bag",
    "plastic",
    "pills",
    "blue",
    "precursor",
    "carfentanil",
    "heroin",
    "press",
    "tablet",
    "shipping",
    "container",
    "vessel",
    "airport",
    "port",
    "customs",
    "inspector",
    "dog",
    "alert",
    "field",
    "result",
    "positive",
    "printer",
    "toner",
    "bottle",
];
const CHINESE: [&str; 48] = [
    "的",
    "在",
    "了",
    "芬太尼",
    "包裹",
    "查获",
    "白色粉末",
    "毒品",
    "海关",
    "邮件",
    "公斤",
    "克",
    "发现",
    "经",
    "检验",
    "为",
    "从",
    "寄往",
    "美国",
    "中国",
    "加拿大",
    "申报",
    "品名",
    "化工",
    "公司",
    "样品",
    "实验室",
    "报告",
    "结果",
    "嫌疑人",
    "地址",
    "标签",
    "内藏",
    "瓶",
    "塑料袋",
    "前体",
    "压片机",
    "药片",
    "蓝色",
    "集装箱",
    "港口",
    "机场",
    "国际",
    "快递",
    "卡芬太尼",
    "运输",
    "单号",
    "登记",
];
const WORDS: usize = 110;

/// Title and narrative of a number.
pub(crate) fn of(number: usize) -> (String, String) {
    let mut random = StdRng::seed_from_u64(number as u64);
    let (words, blank): (&[&str], _) = match number % 3 {
        0 => (&CHINESE, ""),
        _ => (&ENGLISH, " "),
    };
    let mut text = |count: usize| {
        let mut text = String::new();
        for n in 0..count {
            // Zipf, about: the square of a number between 0 and 1 is small more often than not.
            let at = random.random::<f64>().powi(2) * words.len() as f64;
            if random.random_bool(0.04) {
                let rare = random.random_range(0..50_000_u32);
                text += &format!(" {}{rare:x} ", words[rare as usize % words.len()]);
            } else {
                text += words[at as usize];
                text += if n % 12 == 11 { ". " } else { blank };
            }
        }
        text
    };
    (text(6), format!("{} ref{number}", text(WORDS)))
}
