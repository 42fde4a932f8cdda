rule chat_exfiltration : suspicious
{
    meta:
        description = "A page or script that sends what is typed to a chat: Telegram's bots or Discord's hooks"
    strings:
        $telegram = /api\.telegram\.org\/bot\d{6,12}:[\w-]{30,50}/ nocase
        $discord = /discord(app)?\.com\/api\/webhooks\/\d{15,21}\/[\w-]{40,80}/ nocase
        $secret1 = /type\s{0,3}=\s{0,3}["']?password/ nocase
        $secret2 = "document.cookie" nocase
        $secret3 = "Login Data"
        $secret4 = "key4.db"
        $secret5 = "wallet.dat"
    condition:
        filesize < 4MB and ($telegram or $discord) and any of ($secret*)
}
