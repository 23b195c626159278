# Runs rheostatd from the start of a Windows machine on, as a task of the Task Scheduler. Not tried on a real system.
# In a PowerShell as administrator, where C:\rheostat holds the environment (.venv), bench.toml and later the data:
#   powershell -ExecutionPolicy Bypass -File rheostatd-service.ps1
# Stop it in this order, so that the rig is at 0 V with open relays before anything is ended:
#   rheostat estop; Stop-ScheduledTask rheostatd          (after the next start: rheostat recover)
# Remove it: Unregister-ScheduledTask rheostatd
param(
    [string]$Folder = "C:\rheostat",
    [string]$Account = "$env:USERDOMAIN\$env:USERNAME"  # whose VISA settings hold; asked for its password
)
$arguments = "--config `"$Folder\bench.toml`" --data `"$Folder\data`" --log-json"
$command = "/c `"`"$Folder\.venv\Scripts\rheostatd.exe`" $arguments >> `"$Folder\rheostatd.log`" 2>&1`""
$settings = @{
    RestartCount       = 10                       # also while an executor of the one before still makes the rig safe
    RestartInterval    = New-TimeSpan -Minutes 1
    ExecutionTimeLimit = [TimeSpan]::Zero         # for ever
    MultipleInstances  = "IgnoreNew"
}
$task = @{
    TaskName = "rheostatd"
    Action   = New-ScheduledTaskAction -Execute "cmd.exe" -Argument $command -WorkingDirectory $Folder
    Trigger  = New-ScheduledTaskTrigger -AtStartup
    Settings = New-ScheduledTaskSettingsSet @settings -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
    User     = $Account
    Password = (Get-Credential $Account).GetNetworkCredential().Password
}
Register-ScheduledTask @task
